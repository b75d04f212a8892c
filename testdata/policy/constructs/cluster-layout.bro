# Automatically generated. Do not edit.
redef Cluster::nodes = {
	["control"] = [$node_type=Cluster::CONTROL, $ip=10.0.0.1, $zone_id="", $p=47760/tcp],
	["logger"] = [$node_type=Cluster::LOGGER, $ip=10.0.0.1, $zone_id="", $p=47761/tcp],
	["manager"] = [$node_type=Cluster::MANAGER, $ip=10.0.0.1, $zone_id="", $p=47762/tcp, $logger="logger"],
	["proxy-1"] = [$node_type=Cluster::PROXY, $ip=10.0.0.1, $zone_id="", $p=47763/tcp, $logger="logger", $manager="manager", $workers=set("worker-1")],
	["worker-1"] = [$node_type=Cluster::WORKER, $ip=10.0.0.2, $zone_id="", $p=47764/tcp, $interface="eth0", $logger="logger", $manager="manager", $proxy="proxy-1"],
};
