global hosts: table[string] of addr;
event bro_init()
	{
	hosts["a"] = 10.0.0.1;
	hosts[not_known("b")] = 10.0.0.2;
	for ( t in hosts )
		Communication::nodes[t] = [$host=hosts[t]];
	}
