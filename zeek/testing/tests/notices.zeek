# Many refusals of an address, being let in after them, another address of a user.
#
# @TEST-EXEC: zeek -b $PACKAGE %INPUT 2>errors
# @TEST-EXEC: test ! -s errors
# @TEST-EXEC: zeek-cut note msg src < notice.log > lines
# @TEST-EXEC: btest-diff lines

redef SSHDSensor::failures_max = 3;
redef SSHDSensor::notice_new_addresses = T;

event zeek_init()
	{
	local t = double_to_time(1750000000.0);
	local sid = "a:22";
	event sensor_sshd_conn_new(t, sid, 1, 198.51.100.9, 40000/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_auth_failed(t, sid, 1, "root");
	event sensor_sshd_auth_failed(t, sid, 1, "admin");
	event sensor_sshd_auth_failed(t, sid, 1, "eve");
	event sensor_sshd_auth_failed(t + 1sec, sid, 1, "eve"); # and no more notices
	event sensor_sshd_auth_ok(t, sid, 1, "eve", 1000, 1000);
	event sensor_sshd_conn_end(t + 1sec, sid, 1);

	# The same user from the same address, from another, and another user.
	event sensor_sshd_conn_new(t, sid, 2, 198.51.100.7, 40001/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_auth_ok(t, sid, 2, "eve", 1000, 1000);
	event sensor_sshd_conn_new(t, sid, 3, 198.51.100.7, 40002/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_auth_ok(t, sid, 3, "eve", 1000, 1000);

	# Two refusals are not many.
	event sensor_sshd_conn_new(t, sid, 4, 198.51.100.6, 40003/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_auth_failed(t, sid, 4, "ann");
	event sensor_sshd_auth_failed(t + 1sec, sid, 4, "ann");
	event sensor_sshd_auth_ok(t, sid, 4, "ann", 1001, 1001);

	# A session whose beginning nobody heard has no address.
	event sensor_sshd_auth_failed(t, sid, 5, "eve");
	event sensor_sshd_auth_ok(t, sid, 5, "eve", 1000, 1000);
	}
