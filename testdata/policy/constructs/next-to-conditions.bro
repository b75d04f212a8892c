# A function counts in the condition that follows it, and a value from where it has been set.
const manager = 10.0.0.1 &redef;
function here(): bool { return T; }
@if ( here() )
redef Communication::nodes += { ["m"] = [$host=manager] };
@endif
event bro_init() { Communication::nodes["n"] = [$host=10.0.0.3, $p=count_to_port(47760, tcp)]; }
@ifdef ( Some::thing )
redef Some::thing = T;
@endif
redef manager = 10.0.0.2;
event bro_init() { Communication::nodes["later"] = [$host=manager]; }
