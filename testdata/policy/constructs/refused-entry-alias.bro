# A change that is not understood is one of all the names of a table.
global a: table[string] of count = { ["x"] = 1 } &redef;
global b = a;
redef a["x"] += 2;
event bro_init() { Communication::nodes[cat(b["x"])] = [$host=10.0.0.1]; }
