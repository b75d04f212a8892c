const host = 0.0.0.0 &redef;
event bro_init()
	{
	if ( host == 0.0.0.0 )
		terminate();
	Communication::nodes["a"] = [$host=host];
	}
