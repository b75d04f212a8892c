# Braces are a vector where the type says so.
const hosts: vector of addr = { 10.0.0.1, 10.0.0.2 } &redef;
event bro_init()
	{
	for ( i in hosts )
		Communication::nodes[fmt("w%d", i)] = [$host=hosts[i]];
	}
