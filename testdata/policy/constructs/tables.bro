# Fields of records and entries of tables.
type node: record {
	ip: addr;
	p: port;
	proxy: addr &optional;
};
global proxies: table[count] of node &redef;
global manager: node &redef;
redef proxies = { [1] = [$ip=10.0.0.8, $p=8/tcp] };
redef proxies += { [2] = [$ip=10.0.0.9, $p=9/tcp, $proxy=proxies[1]$ip] };
redef manager = [$ip=10.0.0.1, $p=47760/tcp];
const names = table(["a"] = "x", ["b"] = "y");

redef Communication::nodes += {
	["manager"] = [$host=manager$ip, $p=manager$p, $connect=T],
	["proxy"] = [$host=proxies[|proxies|]$ip, $p=proxies[2]$p, $class=names["b"], $connect=T],
	["behind"] = [$host=proxies[2]?$proxy ? proxies[2]$proxy : 127.0.0.1],
};
