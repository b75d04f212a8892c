event bro_init() &priority=-20 { Communication::nodes["a"] = [$host=10.0.0.1]; }
