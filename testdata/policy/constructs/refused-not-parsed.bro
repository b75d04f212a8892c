global sensors: set[addr] = { 10.0.0.1 };
function more() { add sensors[10.0.0.2]; local a = 1 2; }
event bro_init()
	{
	more();
	for ( h in sensors )
		Communication::nodes[fmt("%s", h)] = [$host=h];
	}
