# Ten lines of communication among others: what is skipped must not be understood.
@load notice
@load-sigs site.sig

module Site;

export {
	redef enum Notice += { Site_Alarm, Site_Other };
	type session: record {
		start: time;
		names: set[string] &default=set();
		inner: record { a: count &optional; b: vector of string; };
	};
	global sessions: table[addr, port] of session &read_expire = 5 mins &expire_func=expired;
	global log: function(s: session, text: string): count;
}

const ratio = |sessions| / 2 / 3;
const odd = /[\/]\/ "}" # no comment/ | /{/;

hook check(s: session) &priority=3 { if ( s?$start ) break; }

function log(s: session, text: string): count
	{
	local found: table[string] of record { n: count; } = { ["}"] = [$n=1] };
	switch ( text )
		{
		case "a", "b":
			fallthrough;
		default:
			print fmt("%s } { %d", text, |s$names| / 2);
			break;
		}
	when ( local h = lookup_addr(1.2.3.4) )
		{ print h; }
	timeout 5 sec
		{ print "late"; }
	while ( T ) { next; }
	return text in found ? 1 : 0;
	}

event connection_established(c: connection) &priority=-5
	{
	local f = function(n: count): bool { return n > 2 && n != 7; };
	for ( [a, p] in sessions )
		if ( a in 10.0.0.0/8 && [a, p] !in sessions )
			delete sessions[a, p];
	if ( c$id$orig_h in Remote::connected_peers )
		schedule 1 min { Site::later([$a=1, $b=vector("x", "y")]) };
	}

redef Remote::destinations += {
	["sshd1"] = [$host = 10.1.1.1, $events = /sensor_sshd.*/],
};

redef Site::sessions += { [1.2.3.4, 80/tcp] = [$start=network_time()] };
event Site::ready();
