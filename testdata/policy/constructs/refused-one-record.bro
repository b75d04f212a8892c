# A variable of a call is one variable, in a loop too: both have the last address.
global sensors: table[string] of addr = { ["s1"] = 10.0.0.1, ["s2"] = 10.0.0.2 };
event bro_init()
	{
	for ( tag in sensors )
		{
		local n: Communication::Node;
		n$host = sensors[tag];
		Communication::nodes[tag] = n;
		}
	}
