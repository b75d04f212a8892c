# A local variable that may not have a value is not the global one.
global h = 10.0.0.1;
event bro_init()
	{
	if ( reading_live_traffic() )
		local h = 10.0.0.2;
	Communication::nodes["a"] = [$host=h];
	}
