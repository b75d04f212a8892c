event new_connection(c: connection)
	{
	local d = Communication::nodes;
	d["a"] = [$host=c$id$orig_h];
	}
