global sensors: set[addr] = { 10.0.0.9 };
event bro_init()
	{
	local i = 1;
	while ( i < 3 ) { add sensors[to_addr(fmt("10.0.0.%d", i))]; ++i; }
	for ( s in sensors ) Communication::nodes[fmt("%s", s)] = [$host=s];
	}
