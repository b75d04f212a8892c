redef Communication::nodes += { ["beside"] = [$host=10.0.0.1] };
