redef Communication::nodes += { ["a"] = [$host=1.2.3.4, $colour="red"] };
