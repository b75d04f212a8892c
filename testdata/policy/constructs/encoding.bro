# Café §, in Latin-1, with CRLF
const greeting = "Grüße";
@load listen-clear
redef Remote::destinations +=Â {
	["a"] = [$host=10.0.0.1, $class=greeting],
};
