redef Communication::nodes += { ["a"] = [$host=10.0.0.1] };
event bro_init()
	{
	local n = Communication::nodes[not_known()];
	n$connect = T;
	}
