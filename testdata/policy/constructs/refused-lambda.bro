event bro_init()
	{
	local f = function() { Communication::nodes["a"] = [$host=1.2.3.4]; };
	f();
	}
