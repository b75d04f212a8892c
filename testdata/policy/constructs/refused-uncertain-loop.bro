event bro_init()
	{
	while ( have_luck() )
		Communication::nodes["a"] = [$host=1.2.3.4];
	}
