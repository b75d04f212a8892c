##! Writes a line for each connection to an instrumented sshd to sshd_session.log, when
##! the connection ends. Delivery is at least once: what comes again is left out.

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
		## Its most recent events, and those before them: times and hashes.
		seen: set[time, count] &default=set();
		seen_before: set[time, count] &default=set();
	};

	global log_policy_session: Log::PolicyHook;

	## How many names, commands, forwards and statuses a line has at the most.
	const session_max = 100 &redef;

	## How long a session may be silent before its line is written.
	const session_timeout = 1 day &redef;

	## Of how many events of a session it is known at least that they came already.
	const seen_max = 1000 &redef;

	## Sees a session when its line is written.
	global session_ended: event(s: Session);
}

# Sessions by sshd and number of the connection.
global expired: function(sessions: table[string, count] of Session, key: any): interval;
global sessions: table[string, count] of Session &write_expire=session_timeout &expire_func=expired;

# Sessions whose lines were written, and when they ended.
global ended: table[string, count] of time &write_expire=1hr;

# Whether the event that is handled now is new, for handlers behind those of this script.
global event_is_new = F;

event zeek_init() &priority=5
	{
	Log::create_stream(SSHDSensor::SESSION_LOG, [$columns=Session, $path="sshd_session", $policy=log_policy_session]);
	}

function finish(s: Session, ts: time, reason: string)
	{
	s$reason = reason;
	s$duration = ts - s$ts;
	ended[s$sid, s$cid] = ts > s$last ? ts : s$last;
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
	if ( ts > s$last )
		s$last = ts;
	sessions[sid, cid] = s; # has been heard of
	return s;
	}

# Whether an event is of a session whose line was written.
function is_over(ts: time, sid: string, cid: count): bool
	{
	return [sid, cid] in ended && ts <= ended[sid, cid];
	}

# Whether an event of a session, told by all that it has, is new, and not of a session
# that is over. Asked once for each event; then event_is_new has the answer.
function is_new(ts: time, sid: string, cid: count, what: string): bool
	{
	event_is_new = F;
	if ( is_over(ts, sid, cid) )
		return F;
	local s = session(ts, sid, cid);
	local hash = fnv1a32(what);
	if ( [ts, hash] in s$seen || [ts, hash] in s$seen_before )
		return F;
	if ( |s$seen| >= seen_max )
		{
		s$seen_before = s$seen;
		s$seen = set();
		}
	add s$seen[ts, hash];
	event_is_new = T;
	return T;
	}

# An sshd that ends has no connections left that it will tell of. Those that began later
# are another sshd's.
function finish_all(ts: time, sid: string, reason: string)
	{
	local gone: vector of count;
	for ( [of_sid, cid], s in sessions )
		if ( of_sid == sid && s$ts <= ts )
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
	if ( is_over(ts, sid, cid) )
		return;
	if ( [sid, cid] in sessions )
		{
		local s = sessions[sid, cid];
		if ( ts > s$ts ) # that one is of an sshd that has ended without a word
			{
			finish(s, s$last, "sshd restarted");
			delete sessions[sid, cid];
			}
		else if ( s?$id ) # again
			return;
		else # late
			s$ts = ts;
		}
	session(ts, sid, cid)$id = [$orig_h=src_ip, $orig_p=src_p, $resp_h=dst_ip, $resp_p=dst_p];
	}

event sensor_sshd_conn_end(ts: time, sid: string, cid: count)
	{
	if ( is_over(ts, sid, cid) )
		return;
	finish(session(ts, sid, cid), ts, "closed");
	delete sessions[sid, cid];
	}

event sensor_sshd_auth_ok(ts: time, sid: string, cid: count, user: string, uid: int, gid: int)
	{
	if ( ! is_new(ts, sid, cid, cat("auth_ok ", uid, " ", gid, " ", user)) )
		return;
	local s = sessions[sid, cid];
	s$user = user;
	s$uid = uid;
	}

event sensor_sshd_auth_failed(ts: time, sid: string, cid: count, user: string)
	{
	if ( ! is_new(ts, sid, cid, "auth_failed " + user) )
		return;
	local s = sessions[sid, cid];
	++s$failures;
	if ( |s$failed_users| < session_max )
		add s$failed_users[user];
	}

event sensor_sshd_channel_new_session(ts: time, sid: string, cid: count, chan_id: count, stype: string)
	{
	if ( ! is_new(ts, sid, cid, cat("session ", chan_id, " ", stype)) )
		return;
	local s = sessions[sid, cid];
	if ( |s$types| < session_max )
		add s$types[stype];
	}

event sensor_sshd_channel_new_forward(ts: time, sid: string, cid: count, chan_id: count, src_ip: addr, src_p: port,
    dst_ip: addr, dst_p: port, s2h: bool)
	{
	if ( ! is_new(ts, sid, cid, fmt("forward %d %s %s %s %s %s", chan_id, src_ip, src_p, dst_ip, dst_p, s2h)) )
		return;
	local s = sessions[sid, cid];
	if ( |s$forwards| < session_max )
		s$forwards += fmt("%s:%d %s %s:%d", src_ip, port_to_count(src_p), s2h ? "<-" : "->", dst_ip,
		    port_to_count(dst_p));
	}

event sensor_sshd_data_rx(ts: time, sid: string, cid: count, chan_id: count, line: string)
	{
	if ( ! is_new(ts, sid, cid, cat("data_rx ", chan_id, " ", line)) )
		return;
	++sessions[sid, cid]$lines_out;
	}

event sensor_sshd_data_tx(ts: time, sid: string, cid: count, chan_id: count, line: string)
	{
	if ( ! is_new(ts, sid, cid, cat("data_tx ", chan_id, " ", line)) )
		return;
	++sessions[sid, cid]$lines_in;
	}

event sensor_sshd_exec(ts: time, sid: string, cid: count, chan_id: count, command: string)
	{
	if ( ! is_new(ts, sid, cid, cat("exec ", chan_id, " ", command)) )
		return;
	local s = sessions[sid, cid];
	if ( |s$commands| < session_max )
		s$commands += command;
	}

event sensor_sshd_channel_exit(ts: time, sid: string, cid: count, chan_id: count, status: int)
	{
	if ( ! is_new(ts, sid, cid, cat("exit ", chan_id, " ", status)) )
		return;
	local s = sessions[sid, cid];
	if ( |s$statuses| < session_max )
		s$statuses += status;
	}
