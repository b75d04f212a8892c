Remote::destinations["top"] = [$host=10.0.0.1, $events=/a/];
redef Remote::destinations += { ["node"] = Remote::Destination($host=10.0.0.2, $class="c") };
redef Remote::destinations += table(["table"] = record($host=10.0.0.3));
Communication::nodes["n"] = Communication::Node($host=10.0.0.4);
if ( "n" in Communication::nodes )
	{
	Communication::nodes["n"]$class = "changed";
	}
redef Remote::destinations -= { ["table"] };
event zeek_init()
	{
	Communication::nodes["z"] = [$host=10.0.0.5];
	}
