redef Communication::nodes += { ["gone"] = [$host=10.0.0.1] };
event bro_init()
	{
	Communication::nodes = table(["a"] = Communication::Node($host=10.0.0.2));
	Communication::nodes = Communication::nodes;
	}
