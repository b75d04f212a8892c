# Values by their names, of all kinds, and as they are where they are used.
const manager = 10.0.0.1;
const manager_port = 47761/tcp &redef;
const ask: pattern = /sensor_(sshd|ftp)_.*/;
global again: interval = 30 secs;
global minutes = 2;
const name = "sensor" + "s";
const secure = F;
redef manager_port = 47762/tcp;

module Other;
export { const manager = 10.0.0.2; }
module GLOBAL;

redef Remote::destinations += {
	["one"] = [$host=manager, $p=manager_port, $events=ask, $retry=again * minutes, $class=name, $connect=!secure],
	["two"] = [$host=Other::manager, $ssl=secure],
};

redef manager_port = 1/tcp;	# too late
