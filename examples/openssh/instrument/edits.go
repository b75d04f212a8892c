package main

// where says on which side of a line something goes.
type where int

const (
	before  where = iota
	after         // the line
	instead       // of what the expression matches in the line
)

// edit is one change. The line is found by an expression that matches exactly
// one line of the function, or of the file if there is none.
type edit struct {
	versions             versions // that have this place
	file, function, line string
	where                where
	text                 string
}

// madeFor are the versions that are built and tested with these edits, those of
// Debian 12 and 13. Others fit, or it is said where they do not.
var madeFor = [2]version{{9, 2}, {10, 0}}

// All of sshd was one program, then the listener became one of its own, and then
// the sandboxed process.
var (
	all       = versions{}
	unsplit   = versions{until: version{9, 8}}
	split     = versions{from: version{9, 8}}
	authApart = versions{from: version{10, 0}}
)

const header = `^#include "includes\.h"$`

func edits() []edit {
	return []edit{
		// The listener.
		{all, "sshd.c", "", header, after, `#include "sensor.h"`},
		{all, "sshd.c", "main", `\bplatform_pre_listen\(\);`, before, `sensor_start(destroy_sensitive_data);`},
		{all, "sshd.c", "main", `^\s*server_listen\(\);`, after, `sensor_listening(listen_socks, num_listen_socks);`},
		{all, "sshd.c", "server_accept_loop", `\bplatform_pre_fork\(\);`, before, `sensor_coming();`},
		{all, "sshd.c", "sighup_restart", `\bplatform_pre_restart\(\);`, before, `sensor_restart();`},
		{all, "sshd.c", "sighup_restart", `\bexecv\(`, after, `sensor_exit();`},
		{unsplit, "sshd.c", "main", `\baudit_connection_from\(`, before, `sensor_leave();`},
		{split, "sshd.c", "", `^} sensitive_data;$`, after, destroySensitiveData},

		// The monitor.
		{unsplit, "sshd.c", "grace_alarm_handler", `\bgetpgid\(0\)`, before, `sensor_timeout();`},
		{split, "sshd-session.c", "", header, after, `#include "sensor.h"`},
		{split, "sshd-session.c", "grace_alarm_handler", `\bgetpgid\(0\)`, before, `sensor_timeout();`},
		{all, "monitor.c", "", header, after, `#include "sensor.h"`},
		{all, "monitor.c", "mm_answer_authpassword", `\bfreezero\(passwd\b`, before,
			`sensor_password(authctxt->user, passwd, authenticated);`},

		// The sandboxed process, before it is: it has no part in this.
		{unsplit, "sshd.c", "privsep_preauth", `\bclose\(pmonitor->m_log_recvfd\);`, after, `sensor_close();`},
		{split, "sshd-session.c", "privsep_preauth", `\bclose\(pmonitor->m_log_recvfd\);`, after, `sensor_close();`},

		// Channels.
		{all, "session.c", "", header, after, `#include "sensor.h"`},
		{all, "session.c", "do_exec", `^#ifdef SSH_AUDIT_EVENTS$`, before,
			"\tsensor_session(s->chanid, s->is_subsystem,\n\t    s->forced ? original_command : command, command);"},
		{all, "session.c", "session_exit_message", `\bif \(WIFEXITED\(status\)\)`, before, `sensor_exited(s->chanid, status);`},
		{all, "channels.c", "", header, after, `#include "sensor.h"`},
		{all, "channels.c", "channel_post_connecting", `\bc->type = SSH_CHANNEL_OPEN;`, after, `sensor_forward(c->self, c->sock, 1);`},
		{all, "channels.c", "channel_post_port_listener", `\bnc->listening_port = `, after, `sensor_forward(nc->self, newsock, 0);`},
		{all, "channels.c", "channel_free", `\bchannel_close_fds\(`, before, `sensor_cleanup(c->self);`},
		{all, "channels.c", "channel_output_poll_input_open", `\bsshbuf_consume\(c->input\b`, before,
			`sensor_sent(c->self, 0, sshbuf_ptr(c->input), len);`},
		{all, "channels.c", "channel_output_poll_extended_read", `\bsshbuf_consume\(c->extended\b`, before,
			`sensor_sent(c->self, 1, sshbuf_ptr(c->extended), len);`},
		{all, "channels.c", "channel_input_data", `^\tif \(c->datagram\) \{$`, before,
			`sensor_typed(c->self, data, data_len, c->isatty ? c->wfd : -1);`},

		// Authentication, clients and forwardings in detail.
		{unsplit, "sshd.c", "drop_connection", `\bladdr = get_local_ipaddr\(sock\);`, before, `sensor_drop(sock, "MaxStartups");`},
		{split, "sshd.c", "drop_connection", `\bladdr = get_local_ipaddr\(sock\);`, before,
			`sensor_drop(sock, subreason ? subreason : "MaxStartups");`},
		{all, "auth.c", "", header, after, `#include "sensor.h"`},
		{all, "auth.c", "auth_log", `\bif \(\(extra = format_method_key\(authctxt\)\) == NULL\)`, before,
			`sensor_auth(ssh, authenticated || partial, method, submethod);`},
		{all, "monitor.c", "mm_get_keystate", `\bdebug3_f\("GOT new keys"\);`, before, `sensor_kex(child_state);`},
		{all, "serverloop.c", "", header, after, `#include "sensor.h"`},
		{all, "serverloop.c", "server_request_direct_tcpip", `\bfree\(originator\);`, before,
			"sensor_requested(\"tcp\", \"local\", target, target_port,\n\t    c != NULL || *reason != SSH2_OPEN_ADMINISTRATIVELY_PROHIBITED);"},
		{all, "serverloop.c", "server_request_direct_streamlocal", `\bc = channel_connect_to_path\(`, before,
			`sensor_requested("streamlocal", "local", target, 0, 1);`},
		{all, "serverloop.c", "server_request_direct_streamlocal", `\blogit\("refused streamlocal port forward: "`, before,
			`sensor_requested("streamlocal", "local", target, 0, 0);`},
		{all, "serverloop.c", "server_request_tun", `\bssh_packet_send_debug\(ssh, "Server has rejected tunnel device "`, before,
			`sensor_requested("tun", "local", mode == SSH_TUNMODE_ETHERNET ? "ethernet" : "point-to-point", 0, 0);`},
		{all, "serverloop.c", "server_request_tun", `^\tif \(c == NULL\)$`, before,
			`sensor_requested("tun", "local", mode == SSH_TUNMODE_ETHERNET ? "ethernet" : "point-to-point", 0, c != NULL);`},
		{all, "serverloop.c", "server_input_global_request", `^\tif \(want_reply\) \{$`, before,
			`sensor_requested_globally(rtype, fwd.listen_host, fwd.listen_path, port, success);`},
		{all, "session.c", "session_x11_req", `^\treturn success;$`, before, `sensor_requested("x11", "remote", s->display, 0, success);`},
		{all, "session.c", "session_auth_agent_req", `\bdebug_f\("agent forwarding disabled"\);`, before,
			`sensor_requested("agent", "remote", NULL, 0, 0);`},
		{all, "session.c", "session_auth_agent_req", `^\t\tcalled = 1;$`, after, `sensor_requested("agent", "remote", NULL, 0, 1);`},
		{all, "session.c", "do_exec", `^\toriginal_command = NULL;$`, before, `sensor_process(s->chanid, (long)s->pid, s->ttyfd != -1);`},
		{all, "session.c", "do_cleanup", `^\tcalled = 1;$`, after, `sensor_done();`},

		// What is built. GNU make is what Debian has. The listener alone has the library.
		{all, "Makefile.in", "", `^SSHDOBJS=sshd\.o\b`, instead, "$0 " + listenerObjects},
		{unsplit, "Makefile.in", "", `\baudit-linux\.o\b`, instead, "$0 " + monitorObjects},
		{split, "Makefile.in", "", `^SSHD_SESSION_OBJS=sshd-session\.o\b`, instead, "$0 " + monitorObjects},
		{authApart, "Makefile.in", "", `^SSHD_AUTH_OBJS=sshd-auth\.o\b`, instead, "$0 " + monitorObjects},
		{all, "Makefile.in", "", `\bchannels\.o\b`, instead, "$0 " + channelObjects},
		{all, "Makefile.in", "", `^\t\$\(LD\) -o \$@ \$\(SSHDOBJS\) .*`, instead, "$0 $$(BROCCOLI_LIBS)"},
		{all, "Makefile.in", "", `^\.c\.o:$`, before, makefile},
	}
}

const (
	listenerObjects = "sensor-start.o sensor-report.o sensor-client.o sensor-lines.o sensor-event.o"
	monitorObjects  = "audit-broccoli.o sensor-auth.o"
	channelObjects  = "sensor-send.o sensor-data.o sensor-sample.o sensor-sftp.o sensor-text.o"
)

// destroySensitiveData is what a listener that serves no connection has no use
// for itself, and the sensor, its child, has.
const destroySensitiveData = `
static void
destroy_sensitive_data(void)
{
	u_int i;

	for (i = 0; i < options.num_host_key_files; i++) {
		sshkey_free(sensitive_data.host_keys[i]);
		sensitive_data.host_keys[i] = NULL;
	}
}
`

// makefile says where the library is, and renames the functions of the audit
// module for Linux, which audit-broccoli.c calls.
const makefile = `BROCCOLI_CPPFLAGS ?=
BROCCOLI_LIBS ?= -lbroccoli
` + listenerObjects + `: CPPFLAGS += $(BROCCOLI_CPPFLAGS)
audit-linux.o: CPPFLAGS += $(foreach f,connection_from event session_open session_close run_command,-Daudit_$f=linux_audit_$f)
`
