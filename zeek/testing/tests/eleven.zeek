# Each of the eleven events that only the sensor of docs/sshd.md sends is a line.
#
# @TEST-EXEC: zeek -b $PACKAGE %INPUT 2>errors
# @TEST-EXEC: test ! -s errors
# @TEST-EXEC: zeek-cut < sshd_sensor.log > lines
# @TEST-EXEC: btest-diff lines

event zeek_init()
	{
	local t = double_to_time(1750000000.25);
	local sid = "host.example:22";
	event sensor_sshd_conn_drop(t, sid, 198.51.100.9, 40000/tcp, 192.0.2.1, 22/tcp, "MaxStartups");
	event sensor_sshd_client(t, sid, 7, "OpenSSH_9.2", "sntrup761x25519-sha512", "ssh-ed25519", "aes128-gcm@openssh.com",
	    "aes128-gcm@openssh.com", "<implicit>", "<implicit>", "none");
	event sensor_sshd_password_hash(t, sid, 7, "eve", "00ff", F);
	event sensor_sshd_auth_detail(t, sid, 7, "eve", "password", "", F, "", "", "", 0, "");
	event sensor_sshd_auth_detail(t, sid, 7, "eve", "publickey", "", T, "ED25519-CERT", "SHA256:abc", "eve@ca", 18446744073709551615, "SHA256:def");
	event sensor_sshd_process(t, sid, 7, 0, 4711, 4294967295, 1000, T);
	event sensor_sshd_forward_request(t, sid, 7, "streamlocal", "local", "/run/x.sock", 0/tcp, F);
	event sensor_sshd_sftp(t, sid, 7, 0, "rename", "/a\x00b", "/c", 0, 0, 3);
	event sensor_sshd_data_cut(t, sid, 7, 0, "rx", "binary", 123456, 7);
	event sensor_sshd_heartbeat(t, sid, 90 sec, 3, 100, 2);
	event sensor_sshd_sensor_restart(t, sid, "killed", 2);
	event sensor_sshd_lost(t, sid, 12, double_to_time(1750000000.0));
	}
