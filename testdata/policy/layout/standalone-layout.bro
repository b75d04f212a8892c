redef Communication::listen_port = 47760/tcp;
