global d = Communication::nodes;
