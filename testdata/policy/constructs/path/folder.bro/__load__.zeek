redef Communication::nodes += { ["folder"] = [$host=10.0.0.3] };
