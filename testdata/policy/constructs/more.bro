redef Communication::nodes += { ["none"] = [$host=10.0.9.9] };	# there is another one in BROPATH
