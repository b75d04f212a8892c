##! Writes each event of an instrumented sshd to sshd_sensor.log: one that comes again is
##! another line.

@load ./events

module SSHDSensor;

export {
	redef enum Log::ID += { LOG };

	## A line of the log: one event. What an event does not have is unset.
	type Info: record {
		ts: time &log;
		## The sshd, and what it reports.
		sid: string &log;
		event_name: string &log;
		## The connection to that sshd, and the channel in it.
		cid: count &log &optional;
		chan_id: count &log &optional;
		src_h: addr &log &optional;
		src_p: port &log &optional;
		dst_h: addr &log &optional;
		dst_p: port &log &optional;
		user: string &log &optional;
		uid: int &log &optional;
		gid: int &log &optional;
		## The exit status of a channel's process.
		status: int &log &optional;
		## Whether a password was right; whether a forwarding is from the server to the client's side.
		flag: bool &log &optional;
		## A command, a line, or the type of a session.
		text: string &log &optional;
	};

	## To drop or to change lines.
	global log_policy: Log::PolicyHook;
}

event zeek_init()
	{
	Log::create_stream(SSHDSensor::LOG, [$columns=Info, $path="sshd_sensor", $policy=log_policy]);
	}

event sensor_sshd_listen(ts: time, sid: string, server_ip: addr, server_p: port)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="listen", $dst_h=server_ip, $dst_p=server_p]);
	}

event sensor_sshd_restart(ts: time, sid: string)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="restart"]);
	}

event sensor_sshd_exit(ts: time, sid: string)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="exit"]);
	}

event sensor_sshd_conn_new(ts: time, sid: string, cid: count, src_ip: addr, src_p: port, dst_ip: addr, dst_p: port)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="conn_new", $cid=cid, $src_h=src_ip, $src_p=src_p,
	    $dst_h=dst_ip, $dst_p=dst_p]);
	}

event sensor_sshd_conn_end(ts: time, sid: string, cid: count)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="conn_end", $cid=cid]);
	}

event sensor_sshd_auth_ok(ts: time, sid: string, cid: count, user: string, uid: int, gid: int)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="auth_ok", $cid=cid, $user=user, $uid=uid, $gid=gid]);
	}

event sensor_sshd_auth_failed(ts: time, sid: string, cid: count, user: string)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="auth_failed", $cid=cid, $user=user]);
	}

event sensor_sshd_auth_timeout(ts: time, sid: string, cid: count)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="auth_timeout", $cid=cid]);
	}

# The password itself is not written.
event sensor_sshd_auth_password_attempt(ts: time, sid: string, cid: count, user: string, password: string, valid: bool)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="auth_password_attempt", $cid=cid, $user=user, $flag=valid]);
	}

event sensor_sshd_channel_new_session(ts: time, sid: string, cid: count, chan_id: count, stype: string)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="channel_new_session", $cid=cid, $chan_id=chan_id, $text=stype]);
	}

event sensor_sshd_channel_new_forward(ts: time, sid: string, cid: count, chan_id: count, src_ip: addr, src_p: port,
    dst_ip: addr, dst_p: port, s2h: bool)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="channel_new_forward", $cid=cid, $chan_id=chan_id,
	    $src_h=src_ip, $src_p=src_p, $dst_h=dst_ip, $dst_p=dst_p, $flag=s2h]);
	}

event sensor_sshd_data_rx(ts: time, sid: string, cid: count, chan_id: count, line: string)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="data_rx", $cid=cid, $chan_id=chan_id, $text=line]);
	}

event sensor_sshd_data_tx(ts: time, sid: string, cid: count, chan_id: count, line: string)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="data_tx", $cid=cid, $chan_id=chan_id, $text=line]);
	}

event sensor_sshd_exec(ts: time, sid: string, cid: count, chan_id: count, command: string)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="exec", $cid=cid, $chan_id=chan_id, $text=command]);
	}

event sensor_sshd_channel_exit(ts: time, sid: string, cid: count, chan_id: count, status: int)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="channel_exit", $cid=cid, $chan_id=chan_id, $status=status]);
	}

event sensor_sshd_channel_cleanup(ts: time, sid: string, cid: count, chan_id: count)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="channel_cleanup", $cid=cid, $chan_id=chan_id]);
	}

# What there is of these words, with blanks between them.
function words(all: vector of string): string
	{
	local found: vector of string;
	for ( _, word in all )
		if ( word != "" )
			found += word;
	return join_string_vec(found, " ");
	}

event sensor_sshd_auth_detail(ts: time, sid: string, cid: count, user: string, method: string, submethod: string,
    accepted: bool, key_type: string, fingerprint: string, cert_id: string, cert_serial: count, cert_ca: string)
	{
	local certificate = cert_ca == "" ? "" : fmt("%s %d %s", cert_id, cert_serial, cert_ca);
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="auth_detail", $cid=cid, $user=user, $flag=accepted,
	    $text=words(vector(method, submethod, key_type, fingerprint, certificate))]);
	}

event sensor_sshd_client(ts: time, sid: string, cid: count, version: string, kex: string, host_key: string,
    cipher_in: string, cipher_out: string, mac_in: string, mac_out: string, compression: string)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="client", $cid=cid,
	    $text=words(vector(version, kex, host_key, cipher_in, cipher_out, mac_in, mac_out, compression))]);
	}

event sensor_sshd_conn_drop(ts: time, sid: string, src_ip: addr, src_p: port, dst_ip: addr, dst_p: port, reason: string)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="conn_drop", $src_h=src_ip, $src_p=src_p, $dst_h=dst_ip,
	    $dst_p=dst_p, $text=reason]);
	}

event sensor_sshd_forward_request(ts: time, sid: string, cid: count, kind: string, direction: string, host: string,
    host_p: port, allowed: bool)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="forward_request", $cid=cid, $dst_p=host_p, $flag=allowed,
	    $text=words(vector(kind, direction, host))]);
	}

event sensor_sshd_sftp(ts: time, sid: string, cid: count, chan_id: count, op: string, path: string, target: string,
    bytes_read: count, bytes_written: count, status: count)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="sftp", $cid=cid, $chan_id=chan_id, $status=to_int(cat(status)),
	    $text=words(vector(op, path, target))]);
	}

event sensor_sshd_process(ts: time, sid: string, cid: count, chan_id: count, pid: count, audit_session: count,
    login_uid: count, tty: bool)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="process", $cid=cid, $chan_id=chan_id, $flag=tty,
	    $text=fmt("pid %d audit_session %d login_uid %d", pid, audit_session, login_uid)]);
	}

event sensor_sshd_password_hash(ts: time, sid: string, cid: count, user: string, hash: string, valid: bool)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="password_hash", $cid=cid, $user=user, $flag=valid, $text=hash]);
	}

event sensor_sshd_data_cut(ts: time, sid: string, cid: count, chan_id: count, direction: string, reason: string,
    bytes_left_out: count, lines_left_out: count)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="data_cut", $cid=cid, $chan_id=chan_id,
	    $text=fmt("%s %s bytes %d lines %d", direction, reason, bytes_left_out, lines_left_out)]);
	}

event sensor_sshd_heartbeat(ts: time, sid: string, uptime: interval, connections: count, sent: count, lost: count)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="heartbeat",
	    $text=fmt("uptime %.0f connections %d sent %d lost %d", interval_to_double(uptime), connections, sent, lost)]);
	}

event sensor_sshd_sensor_restart(ts: time, sid: string, reason: string, connections_lost: count)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="sensor_restart", $text=fmt("connections %d %s", connections_lost, reason)]);
	}

event sensor_sshd_lost(ts: time, sid: string, number: count, since: time)
	{
	Log::write(LOG, [$ts=ts, $sid=sid, $event_name="lost", $text=fmt("events %d since %T", number, since)]);
	}
