# Entries have other names: what is changed by one is changed.
type N: record { n: Communication::Node; };
redef Communication::nodes += {
	["a"] = [$host=10.0.0.1], ["b"] = [$host=10.0.0.2], ["c"] = [$host=10.0.0.3], ["d"] = [$host=10.0.0.4],
};
global mine: table[string] of Communication::Node;
function harden(n: Communication::Node) { n$retry = 30 secs; }
function get(t: string): Communication::Node { return Communication::nodes[t]; }
function setup() { Communication::nodes["e"] = [$host=10.0.0.5]; }
global later = setup;
event bro_init()
	{
	for ( t in Communication::nodes )
		harden(Communication::nodes[t]);
	local n = get("a");
	n$connect = T;
	mine["b"] = Communication::nodes["b"];
	mine["b"]$connect = T;
	local all = Communication::nodes;
	local c = all["c"];
	c$connect = ! c$connect;
	later();
	}
