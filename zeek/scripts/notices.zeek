##! Notices of what the events of an instrumented sshd tell.

@load base/frameworks/notice
@load ./events
@load ./sessions

module SSHDSensor;

export {
	redef enum Notice::Type += {
		## An address was refused often.
		Many_Failures,
		## An address was let in that had been refused often.
		Login_After_Failures,
		## A user was let in from an address where this user has not come from before.
		New_Address,
		## A user was let in with a key that this user has not come with before.
		New_Key,
		## A sensor has said nothing for long, and did not say that it ends.
		Sensor_Silent,
	};

	## How many refusals of an address are many, and within which time.
	const failures_max = 30 &redef;
	const failures_interval = 10 min &redef;

	## How long a sensor may be silent.
	const silence_max = 1 day &redef;

	## Whether to tell of users that come from another address, and how long an address is
	## remembered that nobody comes from.
	const notice_new_addresses = F &redef;
	const addresses_expire = 90 days &redef;

	## Whether to tell of users that come with another key, and how long a key is remembered
	## that nobody comes with.
	const notice_new_keys = F &redef;
	const keys_expire = 90 days &redef;
}

global failures: table[addr] of count &default=0 &create_expire=failures_interval;

global silent: function(sensors: table[string] of time, sid: string): interval;
global sensors: table[string] of time &write_expire=silence_max &expire_func=silent;

global known_addresses: set[string, addr] &read_expire=addresses_expire;
global known_keys: set[string, string] &read_expire=keys_expire;

function silent(sensors: table[string] of time, sid: string): interval
	{
	NOTICE([$note=Sensor_Silent, $msg=fmt("sshd %s has told nothing since %T", sid, sensors[sid]), $identifier=sid]);
	return 0sec;
	}

# The address that a session comes from, if the sensor has told it.
function origin(sid: string, cid: count): addr
	{
	if ( [sid, cid] !in sessions || ! sessions[sid, cid]?$id )
		return [::];
	return sessions[sid, cid]$id$orig_h;
	}

# Behind sessions.zeek, which must know the session, and whether the event is new.
event sensor_sshd_auth_failed(ts: time, sid: string, cid: count, user: string) &priority=-5
	{
	local src = origin(sid, cid);
	if ( ! event_is_new || src == [::] )
		return;
	if ( ++failures[src] == failures_max )
		NOTICE([$note=Many_Failures, $src=src, $identifier=cat(src),
		    $msg=fmt("%s was refused %d times, most recently by sshd %s as %s", src, failures_max, sid, user)]);
	}

event sensor_sshd_auth_ok(ts: time, sid: string, cid: count, user: string, uid: int, gid: int) &priority=-5
	{
	local src = origin(sid, cid);
	if ( ! event_is_new || src == [::] )
		return;
	if ( failures[src] >= failures_max )
		NOTICE([$note=Login_After_Failures, $src=src, $identifier=cat(src, user),
		    $msg=fmt("%s was let in by sshd %s as %s after %d refusals", src, sid, user, failures[src])]);
	if ( ! notice_new_addresses )
		return;
	if ( [user, src] !in known_addresses )
		NOTICE([$note=New_Address, $src=src, $identifier=cat(src, user),
		    $msg=fmt("%s came from %s to sshd %s, and never before", user, src, sid)]);
	add known_addresses[user, src];
	}

# Tells of a key once somebody was let in with it: who, and with which key, comes in two
# events.
function look_at_key(sid: string, cid: count)
	{
	if ( ! notice_new_keys || ! event_is_new )
		return;
	local s = sessions[sid, cid];
	if ( ! s?$user || ! s?$fingerprint )
		return;
	if ( [s$user, s$fingerprint] !in known_keys )
		NOTICE([$note=New_Key, $src=origin(sid, cid), $identifier=cat(s$user, s$fingerprint),
		    $msg=fmt("%s came from %s to sshd %s with the %s key %s, and never before", s$user, origin(sid, cid), sid,
		    s$key_type, s$fingerprint)]);
	add known_keys[s$user, s$fingerprint];
	}

event sensor_sshd_auth_ok(ts: time, sid: string, cid: count, user: string, uid: int, gid: int) &priority=-5
	{
	look_at_key(sid, cid);
	}

event sensor_sshd_auth_detail(ts: time, sid: string, cid: count, user: string, method: string, submethod: string,
    accepted: bool, key_type: string, fingerprint: string, cert_id: string, cert_serial: count, cert_ca: string) &priority=-5
	{
	if ( accepted )
		look_at_key(sid, cid);
	}

# When sensors said that they end, for what comes again after that.
global exits: table[string] of time &write_expire=1hr;

function alive(ts: time, sid: string)
	{
	if ( sid in exits && ts <= exits[sid] )
		return;
	sensors[sid] = sid in sensors && sensors[sid] > ts ? sensors[sid] : ts;
	}

# Every event of a sensor is a sign of life but its last.
event sensor_sshd_listen(ts: time, sid: string, server_ip: addr, server_p: port) { alive(ts, sid); }
event sensor_sshd_restart(ts: time, sid: string) { alive(ts, sid); }
event sensor_sshd_conn_new(ts: time, sid: string, cid: count, src_ip: addr, src_p: port, dst_ip: addr, dst_p: port) { alive(ts, sid); }
event sensor_sshd_conn_end(ts: time, sid: string, cid: count) { alive(ts, sid); }

event sensor_sshd_exit(ts: time, sid: string)
	{
	if ( sid !in exits || ts > exits[sid] )
		exits[sid] = ts;
	if ( sid in sensors && sensors[sid] <= ts )
		delete sensors[sid];
	}
