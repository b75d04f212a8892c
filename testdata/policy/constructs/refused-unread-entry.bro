redef Communication::nodes += {
	["m"] = [$host=10.0.0.1],
@ifdef ( Some::thing )
	# nothing
@else
	["n"] = [$host=10.0.0.2],
@endif
};
