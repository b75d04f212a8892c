# Records that are filled field by field, and Bro 2.6's loop over keys and values.
global sensors: table[string] of addr = { ["s1"] = 10.0.0.1, ["s2"] = 10.0.0.2 };
global spare: Communication::Node;
spare$host = 10.0.0.9;
event bro_init()
	{
	for ( tag, where in sensors )
		{
		local n: Communication::Node;
		n$host = where;
		n$events = /a/;
		Communication::nodes[tag] = n;
		}
	Communication::nodes["spare"] = spare;
	}
