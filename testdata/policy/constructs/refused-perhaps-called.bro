# What a function adds that may not be called.
global sensors: set[addr] = { 10.0.0.1 };
function inner() { add sensors[10.0.0.2]; }
function more() { inner(); }
event bro_init()
	{
	if ( reading_live_traffic() )
		more();
	for ( s in sensors )
		Communication::nodes[fmt("%s", s)] = [$host=s];
	}
