# Addresses are remembered only if somebody wants to be told of new ones.
#
# @TEST-EXEC: zeek -b $PACKAGE %INPUT >lines 2>errors
# @TEST-EXEC: zeek -b $PACKAGE %INPUT SSHDSensor::notice_new_addresses=T >>lines 2>>errors
# @TEST-EXEC: test ! -s errors
# @TEST-EXEC: btest-diff lines

module SSHDSensor;

event zeek_init()
	{
	local t = double_to_time(1750000000.0);
	event sensor_sshd_conn_new(t, "a:22", 1, 198.51.100.9, 40000/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_auth_ok(t, "a:22", 1, "eve", 1000, 1000);
	}

event zeek_done()
	{
	print |known_addresses|;
	}
