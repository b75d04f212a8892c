##! The events of an instrumented sshd (docs/sshd.md), declared so that Zeek takes
##! them from a WebSocket client whether a script handles them or not.
##!
##! All begin with the time and the name of the sshd. cid numbers a connection to
##! it, chan_id a channel in that.

module GLOBAL;

export {
	## It listens on an address.
	global sensor_sshd_listen: event(ts: time, sid: string, server_ip: addr, server_p: port);

	## It was restarted (SIGHUP).
	global sensor_sshd_restart: event(ts: time, sid: string);

	## It ends.
	global sensor_sshd_exit: event(ts: time, sid: string);

	## A client has connected.
	global sensor_sshd_conn_new: event(ts: time, sid: string, cid: count, src_ip: addr, src_p: port,
	    dst_ip: addr, dst_p: port);

	## That connection has ended.
	global sensor_sshd_conn_end: event(ts: time, sid: string, cid: count);

	## A user was let in.
	global sensor_sshd_auth_ok: event(ts: time, sid: string, cid: count, user: string, uid: int, gid: int);

	## A user was not let in.
	global sensor_sshd_auth_failed: event(ts: time, sid: string, cid: count, user: string);

	## Nobody was let in within the grace time.
	global sensor_sshd_auth_timeout: event(ts: time, sid: string, cid: count);

	## A password was tried.
	global sensor_sshd_auth_password_attempt: event(ts: time, sid: string, cid: count, user: string,
	    password: string, valid: bool);

	## A session was opened: a shell, a command or a subsystem.
	global sensor_sshd_channel_new_session: event(ts: time, sid: string, cid: count, chan_id: count,
	    stype: string);

	## A port was forwarded, with s2h from the server to the client's side.
	global sensor_sshd_channel_new_forward: event(ts: time, sid: string, cid: count, chan_id: count,
	    src_ip: addr, src_p: port, dst_ip: addr, dst_p: port, s2h: bool);

	## A line that the server has sent.
	global sensor_sshd_data_rx: event(ts: time, sid: string, cid: count, chan_id: count, line: string);

	## A line that the client has typed.
	global sensor_sshd_data_tx: event(ts: time, sid: string, cid: count, chan_id: count, line: string);

	## A command was executed.
	global sensor_sshd_exec: event(ts: time, sid: string, cid: count, chan_id: count, command: string);

	## The process of a channel has ended.
	global sensor_sshd_channel_exit: event(ts: time, sid: string, cid: count, chan_id: count, status: int);

	## The channel is gone.
	global sensor_sshd_channel_cleanup: event(ts: time, sid: string, cid: count, chan_id: count);

	# What follows is sent by the sensor of docs/sshd.md alone.

	## Somebody was let in, or was not, by this method: what is not of it is empty.
	global sensor_sshd_auth_detail: event(ts: time, sid: string, cid: count, user: string, method: string,
	    submethod: string, accepted: bool, key_type: string, fingerprint: string, cert_id: string,
	    cert_serial: count, cert_ca: string);

	## What the client is, and what was agreed with it; "in" is from the client.
	global sensor_sshd_client: event(ts: time, sid: string, cid: count, version: string, kex: string,
	    host_key: string, cipher_in: string, cipher_out: string, mac_in: string, mac_out: string,
	    compression: string);

	## A connection was dropped before a process served it.
	global sensor_sshd_conn_drop: event(ts: time, sid: string, src_ip: addr, src_p: port, dst_ip: addr,
	    dst_p: port, reason: string);

	## A forwarding was asked for: of tcp, streamlocal, tun, x11 or agent, local or remote.
	global sensor_sshd_forward_request: event(ts: time, sid: string, cid: count, kind: string,
	    direction: string, host: string, host_p: port, allowed: bool);

	## An operation of sftp was answered.
	global sensor_sshd_sftp: event(ts: time, sid: string, cid: count, chan_id: count, op: string,
	    path: string, target: string, bytes_read: count, bytes_written: count, status: count);

	## The process that runs for a session.
	global sensor_sshd_process: event(ts: time, sid: string, cid: count, chan_id: count, pid: count,
	    audit_session: count, login_uid: count, tty: bool);

	## A password was tried: its salted hash.
	global sensor_sshd_password_hash: event(ts: time, sid: string, cid: count, user: string, hash: string,
	    valid: bool);

	## The recording of a channel was cut or stopped, from the server (rx) or the client (tx).
	global sensor_sshd_data_cut: event(ts: time, sid: string, cid: count, chan_id: count, direction: string,
	    reason: string, bytes_left_out: count, lines_left_out: count);

	## The sensor lives.
	global sensor_sshd_heartbeat: event(ts: time, sid: string, uptime: interval, connections: count,
	    sent: count, lost: count);

	## The sensor was started anew while sshd went on.
	global sensor_sshd_sensor_restart: event(ts: time, sid: string, reason: string, connections_lost: count);

	## Events were lost for want of room.
	global sensor_sshd_lost: event(ts: time, sid: string, number: count, since: time);
}
