redef Communication::listen_interfaces = 1.2.3.4;
