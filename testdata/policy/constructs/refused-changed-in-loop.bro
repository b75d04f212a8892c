# Which keys a loop sees is not certain when it deletes some of them.
global sensors: table[string] of addr = { ["s1"] = 10.0.0.1, ["s2"] = 10.0.0.2 };
event bro_init()
	{
	for ( tag in sensors )
		{
		Communication::nodes[tag] = [$host=10.0.0.1, $class=tag];
		clear_table(sensors);
		}
	}
