# As broctl of Bro 1.5 generates it.

redef BroCtl::manager = [$ip = 10.0.0.1, $p=47760/tcp, $tag="manager"];

redef BroCtl::proxies = {
	[1] = [$ip = 10.0.0.2, $p=47761/tcp, $tag="p1"],
	[2] = [$ip = 10.0.0.3, $p=47762/tcp, $tag="p2"],
};

redef BroCtl::workers = {
	[1] = [$ip = 10.0.0.4, $p=47763/tcp, $tag="w1", $interface="eth0", $proxy=BroCtl::proxies[2]],
	[2] = [$ip = 10.0.0.5, $p=47764/tcp, $tag="w2", $interface="eth1", $proxy=BroCtl::proxies[1]],
};

redef BroCtl::log_dir = "/bro/logs";

redef BroCtl::tm_host = 10.0.0.9;
redef BroCtl::tm_port = 47757/tcp;
