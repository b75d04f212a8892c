redef Communication::nodes += { ["more"] = [$host=10.0.0.2] };
