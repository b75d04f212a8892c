@ifdef ( Some::thing )
function manager(): addr { return 10.0.0.1; }
@else
function manager(): addr { return 10.0.0.2; }
@endif
redef Communication::nodes += { ["m"] = [$host=manager()] };
