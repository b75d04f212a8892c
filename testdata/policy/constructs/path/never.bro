redef Communication::nodes += { ["never"] = [$host=10.0.0.4] };
