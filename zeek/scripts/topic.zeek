##! Takes what sensors send to a WebSocket server of this Zeek or, in a cluster, of any
##! of its nodes. In a cluster the manager does so, and writes the logs.

@load base/frameworks/cluster

module SSHDSensor;

export {
	## Where sensors send: /broccoli/zeek_topic.
	option topic = "broccoli/from-clients";
}

@if ( ! Cluster::is_enabled() || Cluster::local_node_type() == Cluster::MANAGER )
event zeek_init()
	{
@ifdef ( Cluster::subscribe )
	Cluster::subscribe(topic);
@else
	Broker::subscribe(topic);
@endif
	}
@endif
