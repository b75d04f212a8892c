# Whether a loop sees what it adds is not certain.
global sensors: set[string] = { "s1", "s2" };
event bro_init()
	{
	for ( tag in sensors )
		{
		add sensors[cat(tag, "x")];
		Communication::nodes[tag] = [$host=10.0.0.1, $class=tag];
		}
	}
