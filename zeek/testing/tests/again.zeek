# Events that come twice, some of them late, leave the logs and notices that they leave
# when they come once. (-D: the order of sets is the same in each run.)
#
# @TEST-EXEC: mkdir once twice
# @TEST-EXEC: cd once && zeek -D -b $PACKAGE %INPUT times=1 2>errors
# @TEST-EXEC: cd twice && zeek -D -b $PACKAGE %INPUT times=2 2>errors
# @TEST-EXEC: cat once/errors twice/errors > errors
# @TEST-EXEC: test ! -s errors
# @TEST-EXEC: for i in once twice; do zeek-cut < $i/sshd_session.log > $i/lines; zeek-cut note msg src < $i/notice.log > $i/notices; done
# @TEST-EXEC: cmp once/lines twice/lines
# @TEST-EXEC: cmp once/notices twice/notices
# @TEST-EXEC: cat twice/lines twice/notices > lines
# @TEST-EXEC: btest-diff lines

redef SSHDSensor::failures_max = 3;
redef SSHDSensor::notice_new_addresses = T;

const times = 1 &redef;
const sid = "a:22";

function at(s: double): time { return double_to_time(1750000000.0 + s); }

# The beginning of a session with two refusals, which are not many.
function begin()
	{
	event sensor_sshd_listen(at(0), sid, 192.0.2.1, 22/tcp);
	event sensor_sshd_conn_new(at(1), sid, 1, 198.51.100.9, 40000/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_auth_failed(at(2), sid, 1, "root");
	event sensor_sshd_auth_failed(at(3), sid, 1, "eve");
	event sensor_sshd_auth_ok(at(4), sid, 1, "eve", 1000, 1000);
	}

# The same command twice is two commands.
function work()
	{
	event sensor_sshd_channel_new_session(at(5), sid, 1, 0, "exec");
	event sensor_sshd_exec(at(5), sid, 1, 0, "a");
	event sensor_sshd_exec(at(5.000001), sid, 1, 0, "a");
	event sensor_sshd_channel_new_forward(at(6), sid, 1, 1, 127.0.0.1, 8080/tcp, 192.0.2.3, 80/tcp, F);
	event sensor_sshd_data_tx(at(7), sid, 1, 0, "typed");
	event sensor_sshd_channel_exit(at(8), sid, 1, 0, 3);
	}

function lines(first: count, last: count)
	{
	local n = first;
	while ( n < last )
		{
		event sensor_sshd_data_rx(at(10 + n / 1000.0), sid, 1, 0, "line");
		++n;
		}
	}

# The end, and the same number at an sshd that has begun anew, three times.
function anew()
	{
	event sensor_sshd_conn_end(at(20), sid, 1);
	event sensor_sshd_conn_new(at(30), sid, 1, 198.51.100.8, 40001/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_auth_failed(at(31), sid, 1, "a");
	event sensor_sshd_auth_failed(at(32), sid, 1, "b");
	event sensor_sshd_auth_failed(at(33), sid, 1, "c");
	event sensor_sshd_auth_ok(at(34), sid, 1, "c", 1001, 1001);
	event sensor_sshd_exit(at(40), sid);
	event sensor_sshd_conn_new(at(50), sid, 1, 198.51.100.7, 40002/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_auth_failed(at(51), sid, 1, "d");
	event sensor_sshd_conn_new(at(60), sid, 1, 198.51.100.6, 40003/tcp, 192.0.2.1, 22/tcp);
	event sensor_sshd_auth_ok(at(61), sid, 1, "d", 1002, 1002);
	}

function end()
	{
	event sensor_sshd_exit(at(70), sid);
	}

event zeek_init()
	{
	local again = times == 2;
	begin();
	if ( again )
		begin();
	work();
	if ( again )
		{
		begin();
		work();
		}
	lines(0, 1500);
	if ( again )
		lines(1180, 1500);
	anew();
	if ( again )
		{
		begin();
		work();
		lines(1180, 1500);
		anew();
		}
	end();
	if ( again )
		{
		anew();
		end();
		}
	}
