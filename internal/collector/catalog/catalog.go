// Package catalog knows events by name: what their arguments are called, and
// which of them a pattern selects. A collector has to ask for events by name,
// so that a pattern is only as good as the catalogue. It imports nothing of
// this project.
package catalog

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Catalog maps the names of events to those of their arguments.
type Catalog map[string][]string

// sensorSSHD has the events of instrumented SSH servers: the sixteen of
// sensor-sshd.bro, and those that only the sensor of docs/sshd.md sends. Each begins
// with ts and sid, which are left out here.
var sensorSSHD = map[string]string{
	"listen":                "server_ip server_p",
	"restart":               "",
	"exit":                  "",
	"conn_new":              "cid src_ip src_p dst_ip dst_p",
	"conn_end":              "cid",
	"auth_ok":               "cid user uid gid",
	"auth_failed":           "cid user",
	"auth_timeout":          "cid",
	"auth_password_attempt": "cid user password valid",
	"channel_new_session":   "cid chan_id stype",
	"channel_new_forward":   "cid chan_id src_ip src_p dst_ip dst_p s2h",
	"data_rx":               "cid chan_id line",
	"data_tx":               "cid chan_id line",
	"exec":                  "cid chan_id command",
	"channel_exit":          "cid chan_id status",
	"channel_cleanup":       "cid chan_id",

	"auth_detail":     "cid user method submethod accepted key_type fingerprint cert_id cert_serial cert_ca",
	"client":          "cid version kex host_key cipher_in cipher_out mac_in mac_out compression",
	"conn_drop":       "src_ip src_p dst_ip dst_p reason",
	"forward_request": "cid kind direction host host_p allowed",
	"sftp":            "cid chan_id op path target bytes_read bytes_written status",
	"process":         "cid chan_id pid audit_session login_uid tty",
	"password_hash":   "cid user hash valid",
	"data_cut":        "cid chan_id direction reason bytes_left_out lines_left_out",
	"heartbeat":       "uptime connections sent lost",
	"sensor_restart":  "reason connections_lost",
	"lost":            "number since",
}

// ftp has the events that the guide to inter-Bro communication gathers from
// Bros that watch FTP.
var ftp = map[string]string{
	"ftp_unexpected_conn_violation": "id orig expected",
	"ftp_sensitive_file":            "c session filename",
	"ftp_reply":                     "c code msg cont_resp",
	"ftp_request":                   "c command arg",
	"ftp_unexpected_conn":           "id orig expected",
	"ftp_binary_response":           "session code msg",
	"ftp_excessive_filename":        "session command arg",
}

// Builtin returns the catalogue of the events of sensor_sshd and FTP.
func Builtin() Catalog {
	c := Catalog{}
	for name, args := range ftp {
		c[name] = strings.Fields(args)
	}
	for name, args := range sensorSSHD {
		c["sensor_sshd_"+name] = append([]string{"ts", "sid"}, strings.Fields(args)...)
	}
	return c
}

// AddFrom reads further events, one a line: the name, then the names of its
// arguments, separated by blanks. What follows # is a comment. file is for
// errors.
func (c Catalog) AddFrom(r io.Reader, file string) error {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		for _, w := range words {
			if !IsName(w) {
				return fmt.Errorf("%s:%d: %q is not a name (letters, digits, _ and ::)", file, n, w)
			}
		}
		args := words[1:]
		for i, w := range args {
			if slices.Contains(args[:i], w) {
				return fmt.Errorf("%s:%d: two arguments of %s are called %s", file, n, words[0], w)
			}
		}
		c[words[0]] = args
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	return nil
}

// IsName reports whether an event can be called so in a script: identifiers, with
// :: between them.
func IsName(s string) bool {
	first := true
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			first = false
		case '0' <= c && c <= '9' && !first:
		case c == ':' && !first && i+1 < len(s) && s[i+1] == ':':
			i++
			first = true
		default:
			return false
		}
	}
	return !first
}

// Select returns, sorted, the names that match.
func (c Catalog) Select(match func(name string) bool) []string {
	var names []string
	for name := range c {
		if match(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Add puts an event in, unless it is there.
func (c Catalog) Add(name string) {
	if _, ok := c[name]; !ok {
		c[name] = nil
	}
}
