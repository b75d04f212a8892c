# As broctl of Bro 1 has it: the files of a prefix are loaded with those that they are for.
@prefixes += worker
module BroCtl;
export {
	type pnode: record { ip: addr; p: port; tag: string; };
	type snode: record { ip: addr; p: port; interface: string &optional; proxy: pnode; tag: string; };
	global manager: pnode &redef;
	global proxies: table[count] of pnode &redef;
	global workers: table[count] of snode &redef;
	const log_dir = "" &redef;
	const tm_host = 0.0.0.0 &redef;
	const tm_port = 47757/tcp &redef;
}
@load ../layout/broctl-layout
module GLOBAL;
const WORKER = to_count(getenv("NO_SUCH_VARIABLE")) &redef;
redef WORKER = WORKER > 0 ? WORKER : 1;
@load listen-clear
redef listen_port_clear = BroCtl::workers[WORKER]$p;
