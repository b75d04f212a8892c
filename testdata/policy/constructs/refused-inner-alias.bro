# Another name within what may not be executed.
global sensors: set[addr] = { 10.0.0.1 };
event bro_init()
	{
	if ( reading_live_traffic() )
		{
		local s = sensors;
		add s[10.0.0.2];
		}
	for ( h in sensors )
		Communication::nodes[fmt("%s", h)] = [$host=h];
	}
