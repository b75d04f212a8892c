# A Bro that compresses what it sends, short chunks and long ones.
@load frameworks/communication/listen
redef Communication::listen_port = 47757/tcp;
redef Communication::nodes += { ["me"] = [$host = 127.0.0.1, $compression=5] };
global text_event: event(n: count, text: string);
global n = 0;
event tick()
	{
	event text_event(n, string_cat("text ", cat(n)));
	local long = fmt("%d ", n);
	while ( |long| < 5000 )
		long = string_cat(long, long);
	event text_event(n + 1000, long);
	if ( ++n < 10 )
		schedule 50msec { tick() };
	}
event remote_connection_handshake_done(p: event_peer)
	{
	event tick();
	}
