redef Communication::nodes += { ["a"] = [$host=10.0.0.1, $connect=T] };
event bro_init()
	{
	local n = Communication::nodes["a"];
	switch ( 5 ) { case 5: n$connect = F; break; }
	}
