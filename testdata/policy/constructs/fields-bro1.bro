redef Remote::default_compression = 3;
redef Remote::destinations += {
	["all"] = [$host=10.0.0.1, $p=1/tcp, $class="c", $events=/a/, $connect=T, $retry=5 secs, $accept_input=F, $sync=F,
		$auth=T, $capture_filter="tcp", $ssl=T, $hand_over=T, $compression=9, $connected=F, $accept_state=T],
	["some"] = [$host=2001:db8::1],
};
redef Remote::rm_log &disable_print_hook;
redef forward_remote_state_changes = T;
redef forward_remote_events = T;
redef ssl_passphrase = "my d0g";
