Communication::node["a"] = [$host=1.2.3.4];
