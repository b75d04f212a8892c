# A line has all that the events of the sensor of docs/sshd.md say, and a session that goes
# on has lines meanwhile.
#
# @TEST-EXEC: zeek -b $PACKAGE %INPUT 2>said
# @TEST-EXEC: zeek-cut -F '|' < sshd_session.log | awk -F'|' '$1 ~ /^175/' > lines
# @TEST-EXEC: zeek-cut sid reason < sshd_session.log | sort | uniq -c | awk '{ n = $1; $1 = ""; print $0 ":", (n > 1 ? "more than once" : "once") }' > reasons
# @TEST-EXEC: btest-diff lines
# @TEST-EXEC: btest-diff reasons

redef exit_only_after_terminate = T;
redef table_expire_interval = 0.2 sec;
redef SSHDSensor::session_interval = 0.5 sec;
redef SSHDSensor::sensor_timeout = 2 sec;

event done() { terminate(); }

event zeek_init()
	{
	local t = double_to_time(1750000000.0);
	local sid = "a:22";
	event sensor_sshd_conn_new(t, sid, 1, 198.51.100.9, 40000/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_client(t, sid, 1, "OpenSSH_9.2", "k", "h", "c", "c", "m", "m", "none");
	event sensor_sshd_auth_failed(t + 1sec, sid, 1, "eve");
	event sensor_sshd_auth_detail(t + 1sec, sid, 1, "eve", "publickey", "", F, "RSA", "SHA256:no", "", 0, "");
	event sensor_sshd_auth_detail(t + 2sec, sid, 1, "eve", "publickey", "", T, "ED25519-CERT", "SHA256:yes", "eve@ca", 7, "SHA256:ca");
	event sensor_sshd_auth_detail(t + 2sec, sid, 1, "eve", "password", "", T, "", "", "", 0, "");
	event sensor_sshd_auth_ok(t + 2sec, sid, 1, "eve", 1000, 1000);
	event sensor_sshd_process(t + 3sec, sid, 1, 0, 4711, 12, 1000, T);
	event sensor_sshd_process(t + 3sec, sid, 1, 1, 4712, 12, 1000, F);
	event sensor_sshd_forward_request(t + 3sec, sid, 1, "tcp", "local", "db.example.org", 5432/tcp, T);
	event sensor_sshd_forward_request(t + 3sec, sid, 1, "x11", "remote", "", 0/tcp, F);
	event sensor_sshd_sftp(t + 4sec, sid, 1, 2, "open", "/a", "", 0, 0, 0);
	event sensor_sshd_sftp(t + 5sec, sid, 1, 2, "open", "/b", "", 0, 0, 0);
	event sensor_sshd_sftp(t + 6sec, sid, 1, 2, "close", "/b", "", 100, 7, 0);
	event sensor_sshd_data_cut(t + 7sec, sid, 1, 0, "rx", "binary", 5000, 2);
	event sensor_sshd_lost(t + 7sec, sid, 12, t);
	event sensor_sshd_conn_end(t + 8sec, sid, 1);

	# Nobody logged in.
	event sensor_sshd_conn_new(t, sid, 2, 198.51.100.9, 40001/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_auth_timeout(t + 120sec, sid, 2);
	event sensor_sshd_conn_end(t + 120sec, sid, 2);

	# The sensor was started anew.
	event sensor_sshd_conn_new(t, sid, 3, 198.51.100.9, 40002/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_sensor_restart(t + 1sec, sid, "killed", 1);
	event sensor_sshd_conn_end(t + 2sec, sid, 3);

	# One that goes on, of a sensor that lives and is then heard no more, and one of which that
	# cannot be told.
	event sensor_sshd_heartbeat(current_time(), "lives", 60sec, 1, 1, 0);
	event sensor_sshd_conn_new(current_time(), "lives", 1, 198.51.100.9, 40003/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_conn_new(current_time(), "says nothing", 1, 198.51.100.9, 40004/tcp, 192.0.2.1, 22/tcp);

	# sshd has ended, its session has not.
	event sensor_sshd_conn_new(current_time(), "ends", 1, 198.51.100.9, 40005/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_exit(current_time(), "ends");
	event sensor_sshd_exec(current_time() + 1sec, "ends", 1, 0, "later");
	schedule 5 sec { done() };
	}
