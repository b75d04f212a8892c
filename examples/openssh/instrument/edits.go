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
	file, function, line string
	where                where
	text                 string
}

// madeFor are the versions of OpenSSH whose source these edits are known to fit.
var madeFor = []string{"OpenSSH_9.2"}

const header = `^#include "includes\.h"$`

func edits() []edit {
	return []edit{
		// The listener.
		{"sshd.c", "", header, after, `#include "sensor.h"`},
		{"sshd.c", "main", `\bplatform_pre_listen\(\);`, before, `sensor_start();`},
		{"sshd.c", "main", `^\s*server_listen\(\);`, after, `sensor_listening(listen_socks, num_listen_socks);`},
		{"sshd.c", "server_accept_loop", `\bplatform_pre_fork\(\);`, before, `sensor_coming();`},
		{"sshd.c", "sighup_restart", `\bplatform_pre_restart\(\);`, before, `sensor_restart();`},
		{"sshd.c", "sighup_restart", `\bexecv\(`, after, `sensor_exit();`},

		// The monitor.
		{"sshd.c", "grace_alarm_handler", `\bgetpgid\(0\)`, before, `sensor_timeout();`},
		{"monitor.c", "", header, after, `#include "sensor.h"`},
		{"monitor.c", "mm_answer_authpassword", `\bfreezero\(passwd\b`, before,
			`sensor_password(authctxt->user, passwd, authenticated);`},

		// Channels.
		{"session.c", "", header, after, `#include "sensor.h"`},
		{"session.c", "do_exec", `^#ifdef SSH_AUDIT_EVENTS$`, before,
			"\tsensor_session(s->chanid, s->is_subsystem,\n\t    s->forced ? original_command : command, command);"},
		{"session.c", "session_exit_message", `\bif \(WIFEXITED\(status\)\)`, before, `sensor_exited(s->chanid, status);`},
		{"channels.c", "", header, after, `#include "sensor.h"`},
		{"channels.c", "channel_post_connecting", `\bc->type = SSH_CHANNEL_OPEN;`, after, `sensor_forward(c->self, c->sock, 1);`},
		{"channels.c", "channel_post_port_listener", `\bnc->listening_port = `, after, `sensor_forward(nc->self, newsock, 0);`},
		{"channels.c", "channel_free", `\bchannel_close_fds\(`, before, `sensor_cleanup(c->self);`},
		{"channels.c", "channel_output_poll_input_open", `\bsshbuf_consume\(c->input\b`, before,
			`sensor_sent(c->self, 0, sshbuf_ptr(c->input), len);`},
		{"channels.c", "channel_output_poll_extended_read", `\bsshbuf_consume\(c->extended\b`, before,
			`sensor_sent(c->self, 1, sshbuf_ptr(c->extended), len);`},
		{"channels.c", "channel_input_data", `^\tc->local_window -= win_len;`, after,
			`sensor_typed(c->self, data, data_len, c->isatty ? c->wfd : -1);`},

		// Authentication, clients and forwardings in detail.
		{"sshd.c", "drop_connection", `\bladdr = get_local_ipaddr\(sock\);`, before, `sensor_drop(sock, "MaxStartups");`},
		{"auth.c", "", header, after, `#include "sensor.h"`},
		{"auth.c", "auth_log", `\bif \(\(extra = format_method_key\(authctxt\)\) == NULL\)`, before,
			`sensor_auth(ssh, authenticated || partial, method, submethod);`},
		{"monitor.c", "mm_get_keystate", `\bdebug3_f\("GOT new keys"\);`, before, `sensor_kex(child_state);`},
		{"serverloop.c", "", header, after, `#include "sensor.h"`},
		{"serverloop.c", "server_request_direct_tcpip", `\bfree\(originator\);`, before,
			"sensor_requested(\"tcp\", \"local\", target, target_port,\n\t    c != NULL || *reason != SSH2_OPEN_ADMINISTRATIVELY_PROHIBITED);"},
		{"serverloop.c", "server_request_direct_streamlocal", `\bc = channel_connect_to_path\(`, before,
			`sensor_requested("streamlocal", "local", target, 0, 1);`},
		{"serverloop.c", "server_request_direct_streamlocal", `\blogit\("refused streamlocal port forward: "`, before,
			`sensor_requested("streamlocal", "local", target, 0, 0);`},
		{"serverloop.c", "server_request_tun", `\bssh_packet_send_debug\(ssh, "Server has rejected tunnel device "`, before,
			`sensor_requested("tun", "local", mode == SSH_TUNMODE_ETHERNET ? "ethernet" : "point-to-point", 0, 0);`},
		{"serverloop.c", "server_request_tun", `^\tif \(c == NULL\)$`, before,
			`sensor_requested("tun", "local", mode == SSH_TUNMODE_ETHERNET ? "ethernet" : "point-to-point", 0, c != NULL);`},
		{"serverloop.c", "server_input_global_request", `^\tif \(want_reply\) \{$`, before,
			`sensor_requested_globally(rtype, fwd.listen_host, fwd.listen_path, port, success);`},
		{"session.c", "session_x11_req", `^\treturn success;$`, before, `sensor_requested("x11", "remote", s->display, 0, success);`},
		{"session.c", "session_auth_agent_req", `\bdebug_f\("agent forwarding disabled"\);`, before,
			`sensor_requested("agent", "remote", NULL, 0, 0);`},
		{"session.c", "session_auth_agent_req", `^\t\tcalled = 1;$`, after, `sensor_requested("agent", "remote", NULL, 0, 1);`},
		{"session.c", "do_exec", `^\toriginal_command = NULL;$`, before, `sensor_process(s->chanid, (long)s->pid, s->ttyfd != -1);`},
		{"session.c", "do_cleanup", `^\tcalled = 1;$`, after, `sensor_done();`},

		// What is built. GNU make is what Debian has.
		{"Makefile.in", "", `^SSHDLIBS=.*`, instead, "$0 $$(BROCCOLI_LIBS)"},
		{"Makefile.in", "", `\baudit-linux\.o\b`, instead, "$0 audit-broccoli.o sensor-auth.o sensor-start.o sensor-report.o sensor-client.o sensor-lines.o sensor-event.o"},
		{"Makefile.in", "", `\bchannels\.o\b`, instead, "$0 sensor-send.o sensor-data.o sensor-sample.o sensor-sftp.o sensor-text.o"},
		{"Makefile.in", "", `^\.c\.o:$`, before, makefile},
	}
}

// makefile says where the library is, and renames the functions of the audit
// module for Linux, which audit-broccoli.c calls.
const makefile = `BROCCOLI_CPPFLAGS ?=
BROCCOLI_LIBS ?= -lbroccoli
sensor-start.o sensor-report.o sensor-client.o sensor-lines.o sensor-event.o: CPPFLAGS += $(BROCCOLI_CPPFLAGS)
audit-linux.o: CPPFLAGS += $(foreach f,connection_from event session_open session_close run_command,-Daudit_$f=linux_audit_$f)
`
