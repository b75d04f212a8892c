@ifdef ( Notice::policy )
global x = 1;
@else
event bro_init() { Communication::nodes["a"] = [$host=1.2.3.4]; }
@endif
