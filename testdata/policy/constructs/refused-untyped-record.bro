event bro_init()
	{
	local n = [$host=10.0.0.1];
	Communication::nodes["a"] = n;
	n$host = 10.0.0.2;
	}
