// Package catalog knows events by name: what their arguments are called, and
// which of them a pattern selects. A collector has to ask for events by name,
// so that a pattern is only as good as the catalogue. It imports nothing of
// this project.
package catalog

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Catalog maps the names of events to those of their arguments.
type Catalog map[string][]string

// sensorSSHD has the events of instrumented SSH servers (sensor-sshd.bro).
// Each begins with ts and sid, which are left out here.
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
}

// Builtin returns the catalogue of the sensor_sshd events.
func Builtin() Catalog {
	c := Catalog{}
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
			if !isName.MatchString(w) {
				return fmt.Errorf("%s:%d: %q is not a name (letters, digits, _ and ::)", file, n, w)
			}
		}
		c[words[0]] = words[1:]
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	return nil
}

var isName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(::[A-Za-z_][A-Za-z0-9_]*)*$`)

// Select returns, sorted, the names that the pattern matches as a whole. The
// pattern is a regular expression, with or without the slashes of a policy
// script.
func (c Catalog) Select(pattern string) ([]string, error) {
	bare := pattern
	if len(bare) > 1 && bare[0] == '/' && bare[len(bare)-1] == '/' {
		bare = bare[1 : len(bare)-1]
	}
	re, err := regexp.Compile(`^(?:` + bare + `)$`)
	if err != nil {
		return nil, fmt.Errorf("pattern %s: %w", pattern, err)
	}
	var names []string
	for name := range c {
		if re.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
