function ask(p: event_peer) { request_remote_events(p, /a/); }
function middle(p: event_peer) { ask(p); }
event remote_connection_established(p: event_peer)
	{
	middle(p);
	}
