# Each of the sixteen events is a line.
#
# @TEST-EXEC: zeek -b $PACKAGE %INPUT 2>errors
# @TEST-EXEC: test ! -s errors
# @TEST-EXEC: zeek-cut < sshd_sensor.log > lines
# @TEST-EXEC: btest-diff lines

event zeek_init()
	{
	local t = double_to_time(1750000000.25);
	local sid = "1:2:host.example:22";
	event sensor_sshd_listen(t, sid, 192.0.2.1, 22/tcp);
	event sensor_sshd_restart(t, sid);
	event sensor_sshd_conn_new(t, sid, 7, 198.51.100.9, 40000/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_auth_password_attempt(t, sid, 7, "eve", "secret", F);
	event sensor_sshd_auth_failed(t, sid, 7, "eve");
	event sensor_sshd_auth_timeout(t, sid, 8);
	event sensor_sshd_auth_ok(t, sid, 7, "eve", 1000, -1);
	event sensor_sshd_channel_new_session(t, sid, 7, 0, "shell");
	event sensor_sshd_channel_new_forward(t, sid, 7, 1, [2001:db8::1], 5000/tcp, 127.0.0.1, 80/tcp, T);
	event sensor_sshd_data_rx(t, sid, 7, 0, "$ \xff\x00tab\there");
	event sensor_sshd_data_tx(t, sid, 7, 0, "ls");
	event sensor_sshd_exec(t, sid, 7, 0, "tar cf - /etc");
	event sensor_sshd_channel_exit(t, sid, 7, 0, -1);
	event sensor_sshd_channel_cleanup(t, sid, 7, 0);
	event sensor_sshd_conn_end(t, sid, 7);
	event sensor_sshd_exit(t, sid);
	}
