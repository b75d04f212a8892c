const manager = 10.0.0.1 &redef;
@ifdef ( Some::thing )
redef manager = 10.0.0.2;
@endif
redef Communication::nodes += { ["m"] = [$host=manager] };
