# A vector that grows in one handler and is read in another.
global peers: vector of addr;
event bro_init() &priority=3
	{
	peers[|peers|] = 10.0.0.1;
	if ( |peers| in peers ) peers[0] = 10.0.0.9;
	if ( |peers| !in peers ) peers[|peers|] = 10.0.0.2;
	}
event bro_init()
	{
	local seen: set[addr];
	for ( i in peers )
		{
		local node: Communication::Node;
		if ( i == 0 ) node = Communication::Node($host=peers[i], $class="first");
		else node = [$host=peers[i]];
		add seen[peers[i]];
		Communication::nodes[cat("n", |seen|)] = node;
		}
	}
