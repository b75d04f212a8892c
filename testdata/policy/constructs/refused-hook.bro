global sensors: set[addr] = { 10.0.0.1 };
hook more() { add sensors[10.0.0.2]; }
event bro_init()
	{
	hook more();
	for ( h in sensors )
		Communication::nodes[fmt("%s", h)] = [$host=h];
	}
