redef Communication::nodes += Control::commands;
