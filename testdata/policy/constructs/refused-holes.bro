# What a variable has is not known any more once it has been changed in a way that is not understood.
event bro_init()
	{
	local all: vector of addr;
	all[7] = 10.0.0.1;
	for ( i in all )
		Communication::nodes[cat(i)] = [$host=all[i]];
	}
