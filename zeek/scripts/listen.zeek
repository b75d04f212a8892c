##! A Zeek by itself that takes sensors, without packets to look at:
##!
##!     zeek romanesco romanesco/listen
##!
##! A cluster has a WebSocket server already: see UseWebSocket in zeekctl.cfg.

@load base/misc/version

module SSHDSensor;

export {
	## Where to listen. TLS is the server's: Cluster::WebSocketTLSOptions.
	const listen_addr = 127.0.0.1 &redef;
	const listen_port = 9997/tcp &redef;
}

# Zeek would end at once.
redef exit_only_after_terminate = T;

# From 8.1 on a Zeek by itself has no backend, and its WebSocket server takes nobody.
# In two: Zeek before 7.1 knows no Cluster::backend, and reads the whole of a condition.
@if ( Version::at_least("8.1.0") )
@if ( Cluster::backend == Cluster::CLUSTER_BACKEND_NONE )
@load frameworks/cluster/backend/broker
@endif
@endif

@if ( Version::at_least("8.0.0") )
event zeek_init()
	{
	Cluster::listen_websocket([$listen_addr=listen_addr, $listen_port=listen_port]);
	}
@else
@ifdef ( Cluster::listen_websocket )
event zeek_init()
	{
	Cluster::listen_websocket([$listen_host=cat(listen_addr), $listen_port=listen_port]);
	}
@else
# Broker has TLS on by default, with certificates that nobody checks.
redef Broker::disable_ssl = T;

event zeek_init()
	{
	Broker::listen_websocket(cat(listen_addr), listen_port);
	}
@endif
@endif
