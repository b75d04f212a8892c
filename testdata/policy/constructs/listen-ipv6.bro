# All addresses are those of IPv6 too, if that is set.
@load frameworks/communication/listen
redef Communication::listen_ipv6 = T;
redef Communication::nodes += { ["a"] = [$host=10.0.0.1], ["b"] = [$host=[2001:db8::1]] };
