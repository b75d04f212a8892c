const host = 10.0.0.7 &redef;
@ifdef ( Some::thing )
@else
module Other;
@endif
redef Communication::nodes += { ["n"] = [$host=host] };
