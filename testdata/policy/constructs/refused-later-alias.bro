global kept: table[string] of Communication::Node;
redef Communication::nodes += { ["a"] = [$host=10.0.0.1] };
event bro_init() { kept["a"] = Communication::nodes["a"]; }
event sensor_start() { kept["a"]$connect = T; }
