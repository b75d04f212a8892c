# What a function returns that may have returned before.
function here(): bool
	{
	if ( reading_live_traffic() )
		return F;
	return T;
	}
event bro_init() { Communication::nodes["m"] = [$host=10.0.0.1, $connect=here()]; }
