global sensors: set[addr] = { 10.0.0.1 };
event bro_init()
	{
	local f = function() { add sensors[10.0.0.2]; };
	f();
	for ( h in sensors )
		Communication::nodes[fmt("%s", h)] = [$host=h];
	}
