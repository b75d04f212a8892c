# What a loop may change of what it loops over, and what is a copy.
global sensors: table[string] of addr = { ["s1"] = 10.0.0.1, ["s2"] = 10.0.0.2 };
event bro_init()
	{
	local left: set[string] = { "a", "b" };
	for ( tag in sensors )
		{
		Communication::nodes[tag] = [$host=sensors[tag]];
		delete sensors[tag];
		}
	for ( name in left )
		left = set("c");
	for ( name in left )
		Communication::nodes[name] = [$host=10.0.1.1];
	local rounds = vector(0);
	for ( i in rounds )
		if ( i < 3 )
			rounds[|rounds|] = i;
	local other = copy(rounds);
	other[0] = 9;
	other[|other|] = 9;
	Communication::nodes[cat(|rounds|, "-", rounds[0], "-", |other|)] = [$host=10.0.2.1, $class=cat(|sensors|)];
	}
