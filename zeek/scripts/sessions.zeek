##! Writes a line for each connection to an instrumented sshd to sshd_session.log, when
##! the connection ends.

@load ./events

module SSHDSensor;

export {
	redef enum Log::ID += { SESSION_LOG };

	## A line of the log: a connection to an sshd.
	type Session: record {
		## When it began, or was first heard of.
		ts: time &log;
		sid: string &log;
		cid: count &log;
		id: conn_id &log &optional;
		## Who was let in.
		user: string &log &optional;
		uid: int &log &optional;
		## How often somebody was not, and under which names.
		failures: count &log &default=0;
		failed_users: set[string] &log &default=set();
		## Types of its sessions.
		types: set[string] &log &default=set();
		commands: vector of string &log &default=vector();
		## Forwarded ports: from, to, and the direction.
		forwards: vector of string &log &default=vector();
		## Lines each way.
		lines_in: count &log &default=0;
		lines_out: count &log &default=0;
		## Exit statuses of its processes.
		statuses: vector of int &log &default=vector();
		## Why the line was written: "closed", "sshd ended", "sshd restarted" or "silent".
		reason: string &log &optional;
		duration: interval &log &optional;
		## When it was heard of last.
		last: time;
	};

	global log_policy_session: Log::PolicyHook;

	## How many names, commands, forwards and statuses a line has at the most.
	const session_max = 100 &redef;

	## How long a session may be silent before its line is written.
	const session_timeout = 1 day &redef;

	## Sees a session when its line is written.
	global session_ended: event(s: Session);
}

# Sessions by sshd and number of the connection.
global expired: function(sessions: table[string, count] of Session, key: any): interval;
global sessions: table[string, count] of Session &write_expire=session_timeout &expire_func=expired;

event zeek_init() &priority=5
	{
	Log::create_stream(SSHDSensor::SESSION_LOG, [$columns=Session, $path="sshd_session", $policy=log_policy_session]);
	}

function finish(s: Session, ts: time, reason: string)
	{
	s$reason = reason;
	s$duration = ts - s$ts;
	Log::write(SSHDSensor::SESSION_LOG, s);
	event SSHDSensor::session_ended(s);
	}

function expired(sessions: table[string, count] of Session, key: any): interval
	{
	local sid: string;
	local cid: count;
	[sid, cid] = key;
	local s = sessions[sid, cid];
	finish(s, s$last, "silent");
	return 0sec;
	}

function session(ts: time, sid: string, cid: count): Session
	{
	if ( [sid, cid] !in sessions )
		sessions[sid, cid] = Session($ts=ts, $sid=sid, $cid=cid, $last=ts);
	local s = sessions[sid, cid];
	s$last = ts;
	sessions[sid, cid] = s; # has been heard of
	return s;
	}

# An sshd that ends or begins anew has no connections left that it will tell of.
function finish_all(ts: time, sid: string, reason: string)
	{
	local gone: vector of count;
	for ( [of_sid, cid], s in sessions )
		if ( of_sid == sid )
			gone += cid;
	for ( _, n in gone )
		{
		finish(sessions[sid, n], ts, reason);
		delete sessions[sid, n];
		}
	}

event sensor_sshd_exit(ts: time, sid: string)
	{
	finish_all(ts, sid, "sshd ended");
	}

event sensor_sshd_conn_new(ts: time, sid: string, cid: count, src_ip: addr, src_p: port, dst_ip: addr, dst_p: port)
	{
	if ( [sid, cid] in sessions ) # of an sshd that has ended without a word
		{
		finish(sessions[sid, cid], sessions[sid, cid]$last, "sshd restarted");
		delete sessions[sid, cid];
		}
	session(ts, sid, cid)$id = [$orig_h=src_ip, $orig_p=src_p, $resp_h=dst_ip, $resp_p=dst_p];
	}

event sensor_sshd_conn_end(ts: time, sid: string, cid: count)
	{
	finish(session(ts, sid, cid), ts, "closed");
	delete sessions[sid, cid];
	}

event sensor_sshd_auth_ok(ts: time, sid: string, cid: count, user: string, uid: int, gid: int)
	{
	local s = session(ts, sid, cid);
	s$user = user;
	s$uid = uid;
	}

event sensor_sshd_auth_failed(ts: time, sid: string, cid: count, user: string)
	{
	local s = session(ts, sid, cid);
	++s$failures;
	if ( |s$failed_users| < session_max )
		add s$failed_users[user];
	}

event sensor_sshd_channel_new_session(ts: time, sid: string, cid: count, chan_id: count, stype: string)
	{
	local s = session(ts, sid, cid);
	if ( |s$types| < session_max )
		add s$types[stype];
	}

event sensor_sshd_channel_new_forward(ts: time, sid: string, cid: count, chan_id: count, src_ip: addr, src_p: port,
    dst_ip: addr, dst_p: port, s2h: bool)
	{
	local s = session(ts, sid, cid);
	if ( |s$forwards| < session_max )
		s$forwards += fmt("%s:%d %s %s:%d", src_ip, port_to_count(src_p), s2h ? "<-" : "->", dst_ip,
		    port_to_count(dst_p));
	}

event sensor_sshd_data_rx(ts: time, sid: string, cid: count, chan_id: count, line: string)
	{
	++session(ts, sid, cid)$lines_out;
	}

event sensor_sshd_data_tx(ts: time, sid: string, cid: count, chan_id: count, line: string)
	{
	++session(ts, sid, cid)$lines_in;
	}

event sensor_sshd_exec(ts: time, sid: string, cid: count, chan_id: count, command: string)
	{
	local s = session(ts, sid, cid);
	if ( |s$commands| < session_max )
		s$commands += command;
	}

event sensor_sshd_channel_exit(ts: time, sid: string, cid: count, chan_id: count, status: int)
	{
	local s = session(ts, sid, cid);
	if ( |s$statuses| < session_max )
		s$statuses += status;
	}
