##! Writes a line for each connection to an instrumented sshd to sshd_session.log, when
##! the connection ends, and others while it goes on. Delivery is at least once: what comes
##! again is left out. broccoli-collector writes the same log, with two columns more.

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
		community_id: string &log &optional;
		## Who was let in.
		user: string &log &optional;
		uid: int &log &optional;
		## The version of the client.
		client: string &log &optional;
		## By which methods, and with which key, certificate and CA.
		method: string &log &optional;
		key_type: string &log &optional;
		fingerprint: string &log &optional;
		cert_id: string &log &optional;
		cert_serial: count &log &optional;
		cert_ca: string &log &optional;
		## How often somebody was not, and under which names.
		failures: count &log &default=0;
		failed_users: set[string] &log &default=set();
		## Types of its sessions.
		types: set[string] &log &default=set();
		## How many commands there were, and the first of them.
		command_count: count &log &default=0;
		commands: vector of string &log &default=vector();
		## Forwardings that were asked for: kind, direction, where to.
		forward_request_count: count &log &default=0;
		forward_requests: vector of string &log &default=vector();
		## Forwarded ports: from, to, and the direction.
		forward_count: count &log &default=0;
		forwards: vector of string &log &default=vector();
		## Operations of sftp, and how often there was each.
		sftp_ops: vector of string &log &default=vector();
		sftp_counts: vector of count &log &default=vector();
		## Lines and bytes each way, as far as events say them, and how much of that they
		## have left out.
		lines_in: count &log &default=0;
		lines_out: count &log &default=0;
		bytes_in: count &log &default=0;
		bytes_out: count &log &default=0;
		bytes_left_out: count &log &default=0;
		## Exit statuses of its processes.
		statuses: vector of int &log &default=vector();
		## Whether there was a terminal, and which session of the audit it was.
		tty: bool &log &optional;
		audit_session: count &log &optional;
		## Events that the sensor has lost meanwhile.
		events_lost: count &log &default=0;
		## Why the line was written: docs/sshd.md has the list.
		reason: string &log &optional;
		duration: interval &log &optional;
		## Whether something had no room.
		_truncated: bool &log &default=F;
		## When it was heard of last.
		last: time;
		## Its number among those of this Zeek.
		number: count;
		## Refusals, as they are told in one way and in the other.
		failed: count &default=0;
		rejected: count &default=0;
		timed_out: bool &default=F;
		## Its most recent events, and those before them: times and hashes.
		seen: set[time, count] &default=set();
		seen_before: set[time, count] &default=set();
	};

	global log_policy_session: Log::PolicyHook;

	## How many names, commands, forwards and statuses a line has at the most, and how
	## many bytes of each text.
	const session_max = 100 &redef;
	const session_max_text = 1024 &redef;

	## How often a line is written of a session that goes on, 0 sec for never.
	const session_interval = 1 hr &redef;

	## How long a session may be silent before its line is written.
	const session_timeout = 1 day &redef;

	## How long a sensor that tells that it lives may be silent.
	const sensor_timeout = 1 hr &redef;

	## Of how many events of a session it is known at least that they came already.
	const seen_max = 1000 &redef;

	## Sees a session when its line is written for the last time.
	global session_ended: event(s: Session);

	## Has a line written of a session that has gone on for long.
	global session_due: event(sid: string, cid: count, number: count);
}

# Sessions by sshd and number of the connection.
global expired: function(sessions: table[string, count] of Session, key: any): interval;
global sessions: table[string, count] of Session &write_expire=session_timeout &expire_func=expired;

# Sessions whose lines were written: nothing until then adds to another one and, unless the
# sensor has told the end, nothing later but a beginning.
type Over: record {
	until: time;
	seen: bool;
};
global ended: table[string, count] of Over &write_expire=1hr;

# How many sessions have begun.
global begun = 0;

# When sshds have told their end; sessions go on after that.
global left: table[string] of time &write_expire=session_timeout;

# Sensors that tell that they live.
global beatless: function(beats: table[string] of time, sid: string): interval;
global beats: table[string] of time &write_expire=sensor_timeout &expire_func=beatless;

# Whether the event that is handled now is new, for handlers behind those of this script.
global event_is_new = F;

event zeek_init() &priority=5
	{
	Log::create_stream(SSHDSensor::SESSION_LOG, [$columns=Session, $path="sshd_session", $policy=log_policy_session]);
	}

# Writes the last line; the end was seen if the sensor has told it.
function finish(s: Session, ts: time, reason: string, seen: bool)
	{
	s$reason = reason;
	s$duration = ts - s$ts;
	ended[s$sid, s$cid] = [$until=(ts > s$last ? ts : s$last), $seen=seen];
	Log::write(SSHDSensor::SESSION_LOG, s);
	event SSHDSensor::session_ended(s);
	}

# Writes the last line of a session of which nothing more was heard.
function give_up(s: Session, reason: string)
	{
	if ( s$sid in left && left[s$sid] >= s$ts )
		finish(s, left[s$sid] > s$last ? left[s$sid] : s$last, "sshd ended", F);
	else
		finish(s, s$last, reason, F);
	}

function expired(sessions: table[string, count] of Session, key: any): interval
	{
	local sid: string;
	local cid: count;
	[sid, cid] = key;
	give_up(sessions[sid, cid], "silent");
	return 0sec;
	}

function session(ts: time, sid: string, cid: count): Session
	{
	if ( [sid, cid] !in sessions )
		{
		sessions[sid, cid] = Session($ts=ts, $sid=sid, $cid=cid, $last=ts, $number=++begun);
		if ( session_interval > 0 sec )
			schedule session_interval { SSHDSensor::session_due(sid, cid, begun) };
		}
	local s = sessions[sid, cid];
	if ( ts > s$last )
		s$last = ts;
	sessions[sid, cid] = s; # has been heard of
	return s;
	}

event SSHDSensor::session_due(sid: string, cid: count, number: count)
	{
	if ( zeek_is_terminating() || [sid, cid] !in sessions || sessions[sid, cid]$number != number )
		return;
	local s = sessions[sid, cid];
	s$reason = "open";
	s$duration = current_time() - s$ts;
	Log::write(SSHDSensor::SESSION_LOG, s);
	schedule session_interval { SSHDSensor::session_due(sid, cid, number) };
	}

# Whether an event is of a session whose line was written, though another one with its
# number may have begun.
function is_over(ts: time, sid: string, cid: count, begins: bool): bool
	{
	if ( [sid, cid] !in ended )
		return F;
	local over = ended[sid, cid];
	return ts <= over$until || ( ! over$seen && ! begins && [sid, cid] !in sessions );
	}

# Whether an event of a session, told by all that it has, is new, and not of a session
# that is over. Asked once for each event; then event_is_new has the answer.
function is_new(ts: time, sid: string, cid: count, what: string): bool
	{
	event_is_new = F;
	if ( is_over(ts, sid, cid, F) )
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

# As much of a text as a line takes.
function cut(s: Session, text: string): string
	{
	if ( |text| <= session_max_text )
		return text;
	s$_truncated = T;
	return sub_bytes(text, 1, session_max_text);
	}

# Whether there is room for one more.
function has_room(s: Session, n: count): bool
	{
	if ( n < session_max )
		return T;
	s$_truncated = T;
	return F;
	}

# Writes the lines of all sessions of an sshd that began by then.
function give_up_all(ts: time, sid: string, reason: string)
	{
	local gone: vector of count;
	for ( [of_sid, cid], s in sessions )
		if ( of_sid == sid && s$ts <= ts )
			gone += cid;
	for ( _, n in gone )
		{
		give_up(sessions[sid, n], reason);
		delete sessions[sid, n];
		}
	}

function beatless(beats: table[string] of time, sid: string): interval
	{
	give_up_all(current_time(), sid, "sensor lost");
	return 0sec;
	}

# What is open when Zeek ends is told as far as it is known.
event zeek_done()
	{
	for ( [sid, cid], s in sessions )
		give_up(s, "zeek ended");
	}

# The end of sshd: its sessions may go on.
event sensor_sshd_exit(ts: time, sid: string)
	{
	left[sid] = ts;
	}

event sensor_sshd_listen(ts: time, sid: string, server_ip: addr, server_p: port)
	{
	if ( sid in left && ts > left[sid] )
		delete left[sid];
	}

event sensor_sshd_heartbeat(ts: time, sid: string, uptime: interval, connections: count, sent: count, lost: count)
	{
	beats[sid] = ts;
	}

event sensor_sshd_sensor_restart(ts: time, sid: string, reason: string, connections_lost: count)
	{
	if ( connections_lost > 0 )
		give_up_all(ts, sid, "sensor restarted");
	}

event sensor_sshd_lost(ts: time, sid: string, number: count, since: time)
	{
	for ( [of_sid, cid], s in sessions )
		if ( of_sid == sid )
			s$events_lost += number;
	}

event sensor_sshd_conn_new(ts: time, sid: string, cid: count, src_ip: addr, src_p: port, dst_ip: addr, dst_p: port)
	{
	if ( is_over(ts, sid, cid, T) )
		return;
	local s: Session;
	if ( [sid, cid] in sessions )
		{
		s = sessions[sid, cid];
		if ( ts > s$ts ) # that one is of an sshd that has ended without a word
			{
			give_up(s, "sshd restarted");
			delete sessions[sid, cid];
			}
		else if ( s?$id ) # again
			return;
		else # late
			s$ts = ts;
		}
	s = session(ts, sid, cid);
	s$id = [$orig_h=src_ip, $orig_p=src_p, $resp_h=dst_ip, $resp_p=dst_p];
	s$community_id = community_id_v1(s$id);
	}

event sensor_sshd_conn_end(ts: time, sid: string, cid: count)
	{
	if ( is_over(ts, sid, cid, F) )
		return;
	local s = session(ts, sid, cid);
	finish(s, ts, s$timed_out && ! s?$user ? "login timeout" : "closed", T);
	delete sessions[sid, cid];
	}

event sensor_sshd_auth_ok(ts: time, sid: string, cid: count, user: string, uid: int, gid: int)
	{
	if ( ! is_new(ts, sid, cid, cat("auth_ok ", uid, " ", gid, " ", user)) )
		return;
	local s = sessions[sid, cid];
	s$user = cut(s, user);
	s$uid = uid;
	}

# Counts refusals, which a sensor may tell in two ways.
function refused(s: Session, user: string)
	{
	s$failures = s$failed > s$rejected ? s$failed : s$rejected;
	user = cut(s, user);
	if ( user !in s$failed_users && has_room(s, |s$failed_users|) )
		add s$failed_users[user];
	}

event sensor_sshd_auth_failed(ts: time, sid: string, cid: count, user: string)
	{
	if ( ! is_new(ts, sid, cid, "auth_failed " + user) )
		return;
	local s = sessions[sid, cid];
	++s$failed;
	refused(s, user);
	}

event sensor_sshd_auth_timeout(ts: time, sid: string, cid: count)
	{
	if ( is_new(ts, sid, cid, "auth_timeout") )
		sessions[sid, cid]$timed_out = T;
	}

event sensor_sshd_auth_detail(ts: time, sid: string, cid: count, user: string, method: string, submethod: string,
    accepted: bool, key_type: string, fingerprint: string, cert_id: string, cert_serial: count, cert_ca: string)
	{
	if ( ! is_new(ts, sid, cid, fmt("auth_detail %s %s %s %s %s %s %s %s", user, method, submethod, accepted, fingerprint,
	    cert_id, cert_serial, cert_ca)) )
		return;
	local s = sessions[sid, cid];
	if ( ! accepted )
		{
		++s$rejected;
		refused(s, user);
		return;
		}
	# Several may have been wanted.
	s$method = cut(s, s?$method && s$method != method ? fmt("%s,%s", s$method, method) : method);
	if ( fingerprint == "" )
		return;
	s$key_type = cut(s, key_type);
	s$fingerprint = cut(s, fingerprint);
	if ( cert_ca == "" )
		return;
	s$cert_id = cut(s, cert_id);
	s$cert_serial = cert_serial;
	s$cert_ca = cut(s, cert_ca);
	}

event sensor_sshd_client(ts: time, sid: string, cid: count, version: string, kex: string, host_key: string,
    cipher_in: string, cipher_out: string, mac_in: string, mac_out: string, compression: string)
	{
	if ( ! is_new(ts, sid, cid, cat("client ", version, kex, host_key)) )
		return;
	local s = sessions[sid, cid];
	s$client = cut(s, version);
	}

event sensor_sshd_channel_new_session(ts: time, sid: string, cid: count, chan_id: count, stype: string)
	{
	if ( ! is_new(ts, sid, cid, cat("session ", chan_id, " ", stype)) )
		return;
	local s = sessions[sid, cid];
	local text = cut(s, stype);
	if ( text !in s$types && has_room(s, |s$types|) )
		add s$types[text];
	}

event sensor_sshd_channel_new_forward(ts: time, sid: string, cid: count, chan_id: count, src_ip: addr, src_p: port,
    dst_ip: addr, dst_p: port, s2h: bool)
	{
	if ( ! is_new(ts, sid, cid, fmt("forward %d %s %s %s %s %s", chan_id, src_ip, src_p, dst_ip, dst_p, s2h)) )
		return;
	local s = sessions[sid, cid];
	++s$forward_count;
	if ( has_room(s, |s$forwards|) )
		s$forwards += fmt("%s:%d %s %s:%d", src_ip, port_to_count(src_p), s2h ? "<-" : "->", dst_ip,
		    port_to_count(dst_p));
	}

event sensor_sshd_forward_request(ts: time, sid: string, cid: count, kind: string, direction: string, host: string,
    host_p: port, allowed: bool)
	{
	if ( ! is_new(ts, sid, cid, fmt("request %s %s %s %s %s", kind, direction, host, host_p, allowed)) )
		return;
	local s = sessions[sid, cid];
	++s$forward_request_count;
	if ( has_room(s, |s$forward_requests|) )
		s$forward_requests += cut(s, fmt("%s %s %s:%d%s", kind, direction, host, port_to_count(host_p),
		    allowed ? "" : " refused"));
	}

event sensor_sshd_data_rx(ts: time, sid: string, cid: count, chan_id: count, line: string)
	{
	if ( ! is_new(ts, sid, cid, cat("data_rx ", chan_id, " ", line)) )
		return;
	local s = sessions[sid, cid];
	++s$lines_out;
	s$bytes_out += |line|;
	}

event sensor_sshd_data_tx(ts: time, sid: string, cid: count, chan_id: count, line: string)
	{
	if ( ! is_new(ts, sid, cid, cat("data_tx ", chan_id, " ", line)) )
		return;
	local s = sessions[sid, cid];
	++s$lines_in;
	s$bytes_in += |line|;
	}

event sensor_sshd_data_cut(ts: time, sid: string, cid: count, chan_id: count, direction: string, reason: string,
    bytes_left_out: count, lines_left_out: count)
	{
	if ( ! is_new(ts, sid, cid, fmt("cut %d %s %s %d %d", chan_id, direction, reason, bytes_left_out, lines_left_out)) )
		return;
	local s = sessions[sid, cid];
	s$bytes_left_out += bytes_left_out;
	if ( direction == "tx" )
		{
		s$bytes_in += bytes_left_out;
		s$lines_in += lines_left_out;
		}
	else
		{
		s$bytes_out += bytes_left_out;
		s$lines_out += lines_left_out;
		}
	}

event sensor_sshd_exec(ts: time, sid: string, cid: count, chan_id: count, command: string)
	{
	if ( ! is_new(ts, sid, cid, cat("exec ", chan_id, " ", command)) )
		return;
	local s = sessions[sid, cid];
	++s$command_count;
	if ( has_room(s, |s$commands|) )
		s$commands += cut(s, command);
	}

event sensor_sshd_sftp(ts: time, sid: string, cid: count, chan_id: count, op: string, path: string, target: string,
    bytes_read: count, bytes_written: count, status: count)
	{
	if ( ! is_new(ts, sid, cid, fmt("sftp %d %s %s %s %d %d %d", chan_id, op, path, target, bytes_read, bytes_written, status)) )
		return;
	local s = sessions[sid, cid];
	s$bytes_out += bytes_read;
	s$bytes_in += bytes_written;
	op = cut(s, op);
	for ( i, known in s$sftp_ops )
		if ( known == op )
			{
			++s$sftp_counts[i];
			return;
			}
	if ( has_room(s, |s$sftp_ops|) )
		{
		s$sftp_ops += op;
		s$sftp_counts += 1;
		}
	}

event sensor_sshd_process(ts: time, sid: string, cid: count, chan_id: count, pid: count, audit_session: count,
    login_uid: count, tty: bool)
	{
	if ( ! is_new(ts, sid, cid, fmt("process %d %d %d %d %s", chan_id, pid, audit_session, login_uid, tty)) )
		return;
	local s = sessions[sid, cid];
	s$audit_session = audit_session;
	s$tty = tty || ( s?$tty && s$tty );
	}

event sensor_sshd_channel_exit(ts: time, sid: string, cid: count, chan_id: count, status: int)
	{
	if ( ! is_new(ts, sid, cid, cat("exit ", chan_id, " ", status)) )
		return;
	local s = sessions[sid, cid];
	if ( has_room(s, |s$statuses|) )
		s$statuses += status;
	}
