const h = best_host();
redef Communication::nodes += { ["a"] = [$host=h] };
