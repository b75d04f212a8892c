# What is done when Bro starts.
const sensors: set[addr] = { 10.0.0.1, 10.0.0.2, 10.0.0.3 };
global n = to_count(getenv("SITE_SENSORS"));

function tag(h: addr): string
	{
	return fmt("sensor-%s", h);
	}

function add_sensor(h: addr, events: pattern)
	{
	if ( tag(h) in Communication::nodes )
		return;
	Communication::nodes[tag(h)] = [$host=h, $events=events];
	}

event bro_init() &priority=-3
	{
	local first = Communication::nodes["sensor-10.0.0.1"];
	first$class = "first";
	first$events = merge_pattern(first$events, /ftp_.*/);
	delete Communication::nodes["sensor-10.0.0.3"];
	}

event bro_init()
	{
	local descr = open("description");
	print descr, "started";
	for ( s in sensors )
		add_sensor(s, /sensor_sshd_.*/);
	if ( n > 1 && ! (n == 7) )
		Communication::nodes["two"] = [$host=10.1.0.1, $connect=T, $retry=n * 1min];
	else
		Communication::nodes["few"] = [$host=10.1.0.2];
	}

event connection_state_remove(c: connection)
	{
	if ( fmt("%s", c$id$orig_h) in Communication::nodes )
		print Communication::nodes["two"]$connect;
	}
