event bro_init()
	{
	local n: Communication::Node;
	n$class = "a";
	Communication::nodes["a"] = n;
	}
