redef ssl_private_keys = "a";
