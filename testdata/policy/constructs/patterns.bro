const ssh: pattern = /sensor_sshd_.*/ | /ssh_.*/;
redef Communication::nodes += {
	["a"] = [$host=10.0.0.1, $events=(/http_(request|reply)/ | /ftp_.*/)],
	["b"] = [$host=10.0.0.2, $events=merge_pattern(ssh, /x{2,3}/)],
	["c"] = [$host=10.0.0.3, $events=/[[:alpha:]]+\/"a b"/],
	["d"] = [$host=10.0.0.4, $events=string_to_pattern("e_.*", F)],
};
