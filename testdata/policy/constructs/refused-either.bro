global one: set[addr] = { 10.0.0.1 };
global two: set[addr] = { 10.0.0.2 };
event bro_init()
	{
	local s = reading_live_traffic() ? one : two;
	add s[10.0.0.3];
	for ( h in one )
		Communication::nodes[fmt("%s", h)] = [$host=h];
	}
