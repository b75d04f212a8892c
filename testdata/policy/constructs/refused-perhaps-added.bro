# Whether a member is added is not known.
global sensors: set[addr] = { 10.0.0.1 };
event bro_init() &priority=5
	{
	if ( reading_live_traffic() )
		add sensors[10.0.0.2];
	}
event bro_init()
	{
	for ( s in sensors )
		Communication::nodes[fmt("%s", s)] = [$host=s];
	}
