# A function counts in the condition that follows it; statements are executed after all is read.
function here(): bool { return T; }
@if ( here() )
Communication::nodes["m"] = [$host=manager];
@endif
event bro_init() { Communication::nodes["n"] = [$host=10.0.0.3, $p=count_to_port(47760, tcp)]; }
@ifdef ( Some::thing )
redef Some::thing = T;
@endif
const manager = 10.0.0.1 &redef;
redef manager = 10.0.0.2;
