redef Communication::nodes += { ["a"] = [$host=10.0.0.1] };
function up(n: Communication::Node) { n$connect = T; }
event sensor_start() { up(Communication::nodes["a"]); }
