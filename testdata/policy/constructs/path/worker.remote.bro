redef Remote::destinations += {
	["manager"] = [$host=BroCtl::manager$ip, $p=BroCtl::manager$p, $connect=T, $sync=F, $retry=1mins, $class=BroCtl::workers[WORKER]$tag],
	["proxy"] = [$host=BroCtl::workers[WORKER]$proxy$ip, $p=BroCtl::workers[WORKER]$proxy$p, $connect=T, $retry=1mins, $class="proxy"],
};
event bro_init()
	{
	if ( BroCtl::tm_host != 0.0.0.0 )
		Remote::destinations["time-machine"] = [$host=BroCtl::tm_host, $p=BroCtl::tm_port, $connect=T];
	}
