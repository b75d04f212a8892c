@load frameworks/communication/listen
redef record Communication::Node += { site: string &default="x"; };
redef Communication::compression_level = 2;
redef Communication::nodes += {
	["all"] = [$host=[fe80::1], $zone_id="eth0", $p=1/tcp, $class="c", $events=/a/, $connect=T, $retry=5 secs, $accept_input=F,
		$sync=T, $request_logs=T, $auth=T, $capture_filter="", $ssl=T, $compression=9, $site="y"],
	["some"] = [$host=[fe80::2], $zone_id="eth1"],
};
redef Communication::listen_port = 5/tcp;
redef Communication::listen_interface = [fe80::3];
redef Communication::listen_ipv6 = T;
redef Communication::listen_ipv6_zone_id = "eth0";
redef Communication::listen_ssl = T;
redef Communication::listen_retry = 10 secs;
redef ssl_ca_certificate = "ca.pem";
redef ssl_private_key = "bro.pem";
