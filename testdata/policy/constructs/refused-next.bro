event bro_init()
	{
	local n = 0;
	for ( h in set(10.0.0.1, 10.0.0.2) )
		{
		if ( is_local_addr(h) )
			next;
		++n;
		}
	Communication::nodes[fmt("%d", n)] = [$host=10.0.0.1];
	}
