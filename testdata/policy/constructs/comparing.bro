# Patterns match the whole, networks have addresses in them, vectors have indices.
const nets: table[subnet] of string = { [10.0.0.0/8] = "ten", [10.1.0.0/16] = "inner" };
const dmz: set[subnet] = { 192.168.0.0/16 };
const numbers: vector of count = vector(5, 6);
redef Communication::nodes += { ["kept"] = [$host=10.0.0.9] };
event bro_init()
	{
	for ( h in set(10.0.0.1, 10.1.0.1, 192.168.0.1, 172.16.0.1) )
		{
		if ( h in nets )
			Communication::nodes[fmt("%s-%s", nets[h], h)] = [$host=h];
		else if ( h !in dmz )
			Communication::nodes["outside"] = [$host=h];
		}
	if ( "sensor1" == /sensor/ || /sensor.*/ != "sensor1" || 5 in numbers || ! (1 in numbers) || 1 != 1.0 )
		Communication::nodes["wrong"] = [$host=10.9.9.9];
	if ( Communication::nodes["kept"]?$retry && ! Communication::nodes["kept"]$connect )
		Communication::nodes["kept"]$connect = T;
	}
