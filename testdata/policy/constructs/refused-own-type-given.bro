# An unknown function may change what it is given.
global sensors: set[addr] = { 10.0.0.1 };
event bro_init()
	{
	fill(sensors);
	for ( h in sensors )
		Communication::nodes[fmt("%s", h)] = [$host=h];
	}
