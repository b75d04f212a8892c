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
}
