redef Communication::nodes += { ["a"] = [$host=1.2.3.4, $zone_id="eth0"] };
