event connection_established(c: connection)
	{
	Communication::nodes["new"] = [$host=c$id$orig_h];
	}
