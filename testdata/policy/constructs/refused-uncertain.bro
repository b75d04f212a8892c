event bro_init()
	{
	if ( have_luck() )
		return;
	Communication::nodes["a"] = [$host=1.2.3.4];
	}
