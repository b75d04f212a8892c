# A sensor that says nothing more is told of, one that has said that it ends is not.
#
# @TEST-EXEC: zeek -b $PACKAGE %INPUT 2>said
# @TEST-EXEC: echo "received termination signal" | cmp - said
# @TEST-EXEC: zeek-cut note msg < notice.log > lines
# @TEST-EXEC: btest-diff lines

redef exit_only_after_terminate = T;
redef table_expire_interval = 0.2 sec;
redef SSHDSensor::silence_max = 0.5 sec;
redef SSHDSensor::session_timeout = 0.5 sec;

event done()
	{
	terminate();
	}

event zeek_init()
	{
	local t = double_to_time(1750000000.0);
	event sensor_sshd_listen(t, "silent:22", 192.0.2.1, 22/tcp);
	event sensor_sshd_listen(t, "ended:22", 192.0.2.2, 22/tcp);
	event sensor_sshd_exit(t, "ended:22");
	event sensor_sshd_listen(t, "ended:22", 192.0.2.2, 22/tcp); # again
	schedule 3 sec { done() };
	}
