Communication::nodes = 5;
