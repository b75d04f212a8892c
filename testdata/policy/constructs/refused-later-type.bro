type Peer: Communication::Node;
redef Communication::nodes += { ["a"] = [$host=10.0.0.1] };
function up(n: Peer) { n$connect = T; }
event sensor_start() { up(Communication::nodes["a"]); }
