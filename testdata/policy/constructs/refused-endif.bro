@ifdef ( Remote::destinations )
redef Remote::destinations += { };
