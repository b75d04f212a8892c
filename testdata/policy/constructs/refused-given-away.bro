function fill(n: count, t: table[string] of Communication::Node) { t["a"] = [$host=1.2.3.4]; }
event new_connection(c: connection) { fill(1, Communication::nodes); }
