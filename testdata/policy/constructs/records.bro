# Records that are filled field by field.
global sensors: table[string] of addr = { ["s1"] = 10.0.0.1, ["s2"] = 10.0.0.2 };
global spare: Communication::Node;
function sensor(where: addr): Communication::Node
	{
	local n: Communication::Node;
	n$host = where;
	n$events = /a/;
	return n;
	}
event bro_init()
	{
	for ( tag in sensors )
		Communication::nodes[tag] = sensor(sensors[tag]);
	spare$host = 10.0.0.9;
	Communication::nodes["spare"] = spare;
	for ( tag in sensors )
		{
		local names: set[string];
		add names[tag];
		if ( |names| == 2 )
			Communication::nodes["two"] = [$host=10.0.0.10];
		}
	}
