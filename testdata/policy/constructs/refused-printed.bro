event bro_init() { Communication::nodes[fmt("%s", 1.0)] = [$host=10.0.0.1]; }
