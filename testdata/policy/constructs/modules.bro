# A setting is meant where the name means it, whatever the module.
module Communication;
redef nodes += { ["a"] = [$host=10.0.0.1] };
redef listen_port = 4/tcp;
module Mine;
global nodes: table[string] of count &redef;
global listen_port = 5/tcp &redef;
redef nodes += { ["b"] = 1 };
redef listen_port = 6/tcp;
function connect(a: addr) { print a; }
event new_connection(c: connection) { connect(c$id$orig_h); }
redef Communication::listen_ssl = F;
