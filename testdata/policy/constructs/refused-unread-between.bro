global manager = 10.0.0.1;
event bro_init() &priority=9 { manager = 10.0.0.3; }
@ifdef ( Some::thing )
@else
event bro_init() &priority=5 { manager = 10.0.0.2; }
@endif
event bro_init() { Communication::nodes["m"] = [$host=manager]; }
