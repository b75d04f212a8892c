global manager = 10.0.0.1;
event bro_init() &priority=5
	{
	if ( reading_live_traffic() )
		return;
	manager = 10.0.0.2;
	}
event bro_init() { Communication::nodes["m"] = [$host=manager]; }
