# A function of the file may change the table that it is given.
function fill(n: count, t: table[string] of Communication::Node)
	{
	t[fmt("n%d", n)] = [$host=10.0.0.1, $class=fmt("%d", |t| + n)];
	}
event bro_init()
	{
	local d = Communication::nodes;
	d["local"] = [$host=10.0.0.2];
	fill(7, Communication::nodes);
	print Communication::nodes;
	}
module Mine;
const listen_port_clear = 1/tcp;
const default_port_ssl = "none of Bro's";
@ifdef ( Some::thing )
@load protocols/ssl/weak-keys
@endif
