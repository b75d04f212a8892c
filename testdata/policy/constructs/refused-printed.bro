redef Communication::nodes += { [fmt("%s", 1 sec)] = [$host=10.0.0.1] };
