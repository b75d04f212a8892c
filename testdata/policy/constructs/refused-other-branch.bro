@ifdef ( Notice::policy )
global x = 1;
@else
redef Communication::nodes += { ["a"] = [$host=1.2.3.4] };
@endif
