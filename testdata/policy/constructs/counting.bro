# Counts that go up and down, and vectors that grow.
global found: vector of addr;
global first = 4;
event bro_init() &priority=5
	{
	found[|found|] = 10.0.0.1;
	found[|found|] = 10.0.0.2;
	found[0] = 10.0.0.4;
	--first;
	}
event bro_init()
	{
	local i = 0;
	local left = 3;
	for ( j in found )
		{
		++i;
		--left;
		Communication::nodes[fmt("s%d-%d-%d", i, left, first)] = [$host=found[j]];
		}
	}
