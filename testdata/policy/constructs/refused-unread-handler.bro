global manager = 10.0.0.1;
@ifdef ( Some::thing )
@else
event bro_init() &priority=5 { manager = 10.0.0.2; }
@endif
event bro_init() { Communication::nodes["m"] = [$host=manager]; }
