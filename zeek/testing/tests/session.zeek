# A connection is one line of sshd_session.log, whatever ends it.
#
# @TEST-EXEC: zeek -D -b $PACKAGE %INPUT 2>errors
# @TEST-EXEC: test ! -s errors
# @TEST-EXEC: zeek-cut < sshd_session.log > lines
# @TEST-EXEC: btest-diff lines

redef SSHDSensor::session_max = 3;

function at(s: double): time { return double_to_time(1750000000.0 + s); }

event zeek_init()
	{
	local sid = "a:22";

	# One that is closed, with more commands than a line takes.
	event sensor_sshd_conn_new(at(0), sid, 1, 198.51.100.9, 40000/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_auth_failed(at(1), sid, 1, "root");
	event sensor_sshd_auth_failed(at(2), sid, 1, "eve");
	event sensor_sshd_auth_failed(at(2.5), sid, 1, "eve");
	event sensor_sshd_auth_ok(at(3), sid, 1, "eve", 1000, 1000);
	event sensor_sshd_channel_new_session(at(4), sid, 1, 0, "exec");
	event sensor_sshd_exec(at(4), sid, 1, 0, "a");
	event sensor_sshd_exec(at(4), sid, 1, 0, "b");
	event sensor_sshd_exec(at(4), sid, 1, 0, "c");
	event sensor_sshd_exec(at(4), sid, 1, 0, "d");
	event sensor_sshd_channel_new_forward(at(5), sid, 1, 1, 127.0.0.1, 8080/tcp, [2001:db8::1], 80/tcp, F);
	event sensor_sshd_data_tx(at(6), sid, 1, 0, "typed");
	event sensor_sshd_data_rx(at(6), sid, 1, 0, "one");
	event sensor_sshd_data_rx(at(6), sid, 1, 0, "two");
	event sensor_sshd_channel_exit(at(7), sid, 1, 0, 3);
	event sensor_sshd_conn_end(at(8.5), sid, 1);

	# One whose beginning nobody heard, with the number of one before.
	event sensor_sshd_auth_ok(at(10), sid, 1, "ann", 1001, 1001);
	event sensor_sshd_conn_end(at(11), sid, 1);

	# One of an sshd that ended without a word, and began again.
	event sensor_sshd_conn_new(at(20), sid, 1, 198.51.100.9, 40001/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_conn_new(at(30), sid, 1, 198.51.100.9, 40002/tcp, 192.0.2.1, 22/tcp);

	# The same number at another sshd; the end of the first leaves it alone.
	event sensor_sshd_conn_new(at(31), "b:22", 1, 198.51.100.8, 40003/tcp, 192.0.2.2, 22/tcp);
	event sensor_sshd_exit(at(32), sid);
	event sensor_sshd_exit(at(33), "b:22");
	}
