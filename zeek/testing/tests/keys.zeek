# A key that a user has not come with before is told, if that is asked for: once, when
# somebody was let in with it.
#
# @TEST-EXEC: mkdir asked not
# @TEST-EXEC: cd asked && zeek -b $PACKAGE %INPUT SSHDSensor::notice_new_keys=T 2>errors
# @TEST-EXEC: cd not && zeek -b $PACKAGE %INPUT 2>errors
# @TEST-EXEC: test ! -s asked/errors && test ! -s not/errors && test ! -e not/notice.log
# @TEST-EXEC: zeek-cut note msg src < asked/notice.log > lines
# @TEST-EXEC: btest-diff lines

global cid = 0;

function login(user: string, key: string, accepted: bool, late: bool)
	{
	local t = double_to_time(1750000000.0 + ++cid);
	local sid = "a:22";
	event sensor_sshd_conn_new(t, sid, cid, 198.51.100.9, 40000/tcp, 192.0.2.1, 22/tcp);
	if ( late )
		event sensor_sshd_auth_ok(t, sid, cid, user, 1000, 1000);
	event sensor_sshd_auth_detail(t, sid, cid, user, "publickey", "", accepted, "ED25519", key, "", 0, "");
	if ( accepted && ! late )
		event sensor_sshd_auth_ok(t, sid, cid, user, 1000, 1000);
	event sensor_sshd_conn_end(t + 1sec, sid, cid);
	}

event zeek_init()
	{
	login("eve", "SHA256:refused", F, F);
	login("eve", "SHA256:a", T, F);
	login("eve", "SHA256:a", T, F);
	login("ann", "SHA256:a", T, F);
	login("eve", "SHA256:b", T, T);
	login("eve", "SHA256:b", T, F);
	# By a password, without a key.
	event sensor_sshd_auth_detail(double_to_time(1750000100.0), "a:22", 100, "eve", "password", "", T, "", "", "", 0, "");
	event sensor_sshd_auth_ok(double_to_time(1750000100.0), "a:22", 100, "eve", 1000, 1000);
	}
