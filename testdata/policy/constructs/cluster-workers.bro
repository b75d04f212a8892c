# The table of a layout as a value: a collector for the workers of a cluster.
@load ./cluster-layout
event bro_init()
	{
	for ( name in Cluster::nodes )
		{
		local n = Cluster::nodes[name];
		if ( n$node_type == Cluster::WORKER )
			Communication::nodes[name] = [$host=n$ip, $zone_id=n$zone_id, $p=n$p, $connect=T, $retry=1min, $events=/a/];
		}
	}
@if ( Cluster::node in Cluster::nodes )
redef Communication::listen_port = Cluster::nodes[Cluster::node]$p;
@endif
