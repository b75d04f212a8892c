# What changes step by step: vectors that grow, counters, entries of a redef.
type sensor: record { rank: count; };
global ranks: table[string] of count &redef;
redef ranks["mail"] = 7;
redef Communication::nodes["top"] = [$host=10.0.0.1];

function fill(all: vector of addr)
	{
	all[|all|] = 10.0.1.3;
	}

event bro_init()
	{
	local all: vector of addr;
	all[|all|] = 10.0.1.1;
	all[|all|] = 10.0.1.9;
	local same = all;
	same[1] = 10.0.1.2;
	fill(all);
	for ( i in all )
		Communication::nodes[fmt("n%d", i)] = [$host=all[i]];
	if ( 2 in all && 3 !in all )
		Communication::nodes["third"] = [$host=10.0.2.1];
	}

event bro_init() &priority=-1
	{
	local n = 5;
	++n;
	n += 2;
	Communication::nodes[cat("up", n)] = [$host=10.0.3.1];
	--n;
	Communication::nodes[cat("down", n)] = [$host=10.0.3.2];
	local s: sensor = [$rank=1];
	++s$rank;
	++ranks["mail"];
	Communication::nodes[cat(s$rank, "-", ranks["mail"])] = [$host=10.0.3.3];
	}

event bro_init() &priority=-2
	{
	Communication::nodes[fmt("%d%s %d", T, T, 80/tcp)] = [$host=10.0.4.3];
	local near = 10.9.8.7/16;
	Communication::nodes[cat(near)] = [$host=10.0.4.1];
	Communication::nodes[cat(1.0, " ", 0.5, " ", -2.25, " ", 2.5e10)] = [$host=10.0.4.2];
	}
