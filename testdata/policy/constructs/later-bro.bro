# What Bro has from 2.6 on, and what is taken here although no Bro does.
const manager = 10.0.0.4 &redef;
Communication::nodes["m"] = [$host=manager];	# executed when all has been read
redef manager = 10.0.0.5;
global sensors: table[string] of addr = { ["s1"] = 10.0.0.1, ["s2"] = 10.0.0.2 };
const ssh = /ssh_.*/;
redef Communication::nodes += { ["s0"] = [$host=10.0.0.3, $events=ssh | /x{2,3}/, $accept_logs=T] };
redef GLOBAL::Communication::listen_ssl = F;
const hosts: vector of addr = { 10.0.1.1 } &redef;
redef hosts += { 10.0.1.2 };
event bro_init()
	{
	for ( tag, where in sensors )
		Communication::nodes[tag] = [$host=where];
	local left = 3;
	left--;
	for ( i in hosts )
		Communication::nodes[fmt("w%d-%d", i, left)] = [$host=hosts[i]];
	}
