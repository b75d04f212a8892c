# A Bro whose synchronized state changes while it sends events that share types
# and values with it.
@load frameworks/communication/listen
redef Communication::listen_port = 47757/tcp;
type Rec: record { a: count; b: string &optional; };
global state: table[string] of Rec &synchronized;
global state_event: event(n: count, r: Rec, same: Rec);
global n = 0;
event tick()
	{
	local r: Rec = [$a=n];
	if ( n % 2 == 0 )
		r$b = "text";
	state[fmt("k%d", n)] = r;
	delete state[fmt("k%d", n - 2)];
	event state_event(n, r, r);
	if ( ++n < 10 )
		schedule 100msec { tick() };
	}
event remote_connection_handshake_done(p: event_peer)
	{
	event tick();
	}
event bro_init()
	{
	state["first"] = [$a=1, $b="x"];
	}
