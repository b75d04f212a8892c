package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// siteTypes is a script as a Bro has it.
const siteTypes = `
module Site;
export {
	type Part: record { name: string; size: count &optional; };
	type Whole: record { at: time; part: Part; more: vector of Part; by: table[string] of Part; };
	global seen: event(w: Whole, parts: set[Part], note: string);
}
event Site::seen(w: Whole, parts: set[Part], note: string) &priority=5 { print w; }
`

func record(typeName string, vs ...event.Value) event.Value {
	return event.Value{Type: event.Record, TypeName: typeName, Elems: vs}
}

func valueOf(typ event.Type, parts ...event.Value) event.Value {
	return event.Value{Type: typ, Elems: parts}
}

func str(s string) event.Value { return event.Value{Type: event.String, Bytes: []byte(s)} }

func numeral(n uint64) event.Value { return event.Value{Type: event.Count, Bits: n} }

// seen is the event of siteTypes, with records of which only the name of the type is sent.
func seen() *event.Event {
	part := func(name string, size event.Value) event.Value { return record("Site::Part", str(name), size) }
	return &event.Event{Name: "Site::seen", Time: 1126645547.25, Args: []event.Value{
		record("Site::Whole", event.Value{Type: event.Time}, part("a", numeral(1)), valueOf(event.Vector, part("b", event.Value{})),
			valueOf(event.Table, str("k"), part("c", numeral(3)))),
		valueOf(event.Set, part("d", numeral(4))), str("note"),
	}}
}

// sends sends an event, and ends when the collector has it.
func sends(t *testing.T, p *peer.Conn, events ...*event.Event) {
	t.Helper()
	for _, ev := range events {
		require.NoError(t, p.Send(ev))
	}
	require.NoError(t, p.Flush())
	require.NoError(t, p.Close())
}

const seenJSON = `"args":{"w":{"at":0.000000,"part":{"name":"a","size":1},"more":[{"name":"b","size":null}],` +
	`"by":[{"key":"k","value":{"name":"c","size":3}}]},"parts":[{"name":"d","size":4}],"note":"note"}`

// TestDeclaredRecordsAreNamed by -types, in both formats and on standard output.
func TestDeclaredRecordsAreNamed(t *testing.T) {
	types := written(t, "site.bro", siteTypes)
	dir := t.TempDir()
	c := start(t, "-types", types, "-log-dir", dir, "-log-files", "one", "/Site::seen/")
	p, _ := sensor(t, c.addr, nil)
	require.True(t, p.Wants("Site::seen"), "a declared event is known")
	sends(t, p, seen())
	require.Contains(t, eventLines(t, dir, 1)[0], seenJSON)
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.NotContains(t, said, "declared")

	dir = t.TempDir()
	c = start(t, "-types", types, "-log-dir", dir, "-log-format", "tsv", "/Site::seen/")
	p, _ = sensor(t, c.addr, nil)
	sends(t, p, seen())
	var log string
	require.Eventually(t, func() bool {
		b, _ := os.ReadFile(dir + "/Site.seen.log")
		log = string(b)
		return strings.Contains(log, "1126645547.25")
	}, deadline, 10*time.Millisecond)
	require.Contains(t, log, "#fields\tts\tpeer\thost\tw.at\tw.part.name\tw.part.size\tw.more\tw.by\tparts\tnote\n")
	require.Contains(t, log, `[{"name":"b","size":null}]`)
}

// TestUndeclaredRecordsKeepNumbers: without -types all is as it was.
func TestUndeclaredRecordsKeepNumbers(t *testing.T) {
	dir := t.TempDir()
	c := start(t, "-log-dir", dir, "-log-files", "one", "-event", "Site::seen")
	p, _ := sensor(t, c.addr, nil)
	sends(t, p, seen())
	require.Contains(t, eventLines(t, dir, 1)[0], `"arg1":{"0":0.000000,"1":{"0":"a","1":1}`)
}

// TestWhatDoesNotFitIsToldOnce, and has no names, however often it comes and from whom.
func TestWhatDoesNotFitIsToldOnce(t *testing.T) {
	dir := t.TempDir()
	c := start(t, "-types", written(t, "site.bro", siteTypes), "-log-dir", dir, "-log-files", "one", "/Site::seen/")
	other := func() *event.Event {
		ev := seen()
		ev.Args = append(ev.Args, str("more"))
		ev.Args[1] = valueOf(event.Set, record("Site::Part", numeral(7), numeral(4)))
		return ev
	}
	for range 2 {
		p, _ := sensor(t, c.addr, nil)
		sends(t, p, other(), other())
	}
	for _, line := range eventLines(t, dir, 4) {
		require.Contains(t, line, `"arg2":[{"0":7,"1":4}]`)
		require.Contains(t, line, `"part":{"name":"a","size":1}`, "a type that the value names is enough")
	}
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
	require.Equal(t, 1, strings.Count(said, "record Site::Part: its field name is declared as string, and has come as count; its parts are called by their numbers"), said)
	require.Equal(t, 1, strings.Count(said, "event Site::seen: 3 arguments are known, and it has come with 4"), said)
}

// TestPublicProgramsNeedNoTypes: what barnyard2 sends is declared.
func TestPublicProgramsNeedNoTypes(t *testing.T) {
	dir := t.TempDir()
	c := start(t, "-log-dir", dir, "-log-files", "one", "/Barnyard2::.*/")
	p, _ := sensor(t, c.addr, nil)
	addr, port := event.Value{Type: event.Addr}, event.Value{Type: event.Port, Bits: 22, Proto: event.ProtoTCP}
	sends(t, p, &event.Event{Name: "Barnyard2::barnyard_alert", Args: []event.Value{
		record("Barnyard2::PacketID", addr, port, addr, port),
		record("Barnyard2::AlertData", numeral(1), event.Value{Type: event.Time}, numeral(2), numeral(3), numeral(4), numeral(5), str("c"), numeral(6), numeral(7)),
		str("m"), str("d"),
	}})
	line := eventLines(t, dir, 1)[0]
	require.Contains(t, line, `"id":{"src_ip":"::","src_p":"22/tcp","dst_ip":"::","dst_p":"22/tcp"},"alert":{"sensor_id":1,"ts":0.000000,"signature_id":2,`)
	require.Contains(t, line, `"event_id":7},"msg":"m","data":"d"`)
}

// TestDeclaredRecordsOfClients: a WebSocket client sends records as vectors, and -types says
// what they are; what does not fit is refused.
func TestDeclaredRecordsOfClients(t *testing.T) {
	dir := t.TempDir()
	_, addr := startZeek(t, "-types", written(t, "site.bro", siteTypes), "-log-dir", dir, "-log-files", "one")
	c := webSocketClient(t, addr, "site/one")
	ev := seen()
	ev.Args = ev.Args[:2] // too few
	require.NoError(t, c.Send(ev))
	require.NoError(t, c.Send(seen()))
	require.NoError(t, c.Flush())
	require.NoError(t, c.Close())
	require.Contains(t, eventLines(t, dir, 1)[0], seenJSON)
}

// TestDeclarationsAreReloaded: other names count from the next event on.
func TestDeclarationsAreReloaded(t *testing.T) {
	dir := t.TempDir()
	types := written(t, "site.bro", siteTypes)
	c := start(t, "-types", types, "-log-dir", dir, "-log-files", "one", "/Site::.*/")
	p, _ := sensor(t, c.addr, nil)
	require.NoError(t, p.Send(seen()))
	require.NoError(t, p.Flush())
	require.Contains(t, eventLines(t, dir, 1)[0], `"part":{"name":"a"`)
	more := strings.ReplaceAll(siteTypes, "size: count", "bytes: count") + "global Site::other: event(x: count);\n"
	require.NoError(t, os.WriteFile(types, []byte(more), 0o600))
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
	c.wait(t, "reloaded: .* 1 peers are asked for more")
	require.Eventually(t, func() bool { return p.Wants("Site::other") }, deadline, 10*time.Millisecond)
	require.NoError(t, p.Send(seen()))
	require.NoError(t, p.Flush())
	require.Contains(t, eventLines(t, dir, 1)[0], `"part":{"name":"a","bytes":1}`, "in the next log")

	require.NoError(t, os.WriteFile(types, []byte("type X: record {"), 0o600))
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
	c.wait(t, "not reloaded, all stays as it was: .*site.bro, line 1")
	code, said := c.end(t, syscall.SIGTERM)
	require.Zero(t, code, said)
}

// TestPatternsOfUnknownEvents: with -events they are no error, and what comes unasked is
// taken; what does not match is not.
func TestPatternsOfUnknownEvents(t *testing.T) {
	for _, text := range []string{"foo_.*", "/foo_.*/"} {
		dir := t.TempDir()
		c := start(t, "-events", text, "-log-dir", dir)
		require.Contains(t, c.passed, "-events /foo_.*/ matches no event that is known: it is for what peers send unasked, and for names")
		p, _ := sensor(t, c.addr, nil)
		require.False(t, p.Wants("sensor_sshd_exec"), "what is asked for is what it says")
		sends(t, p, &event.Event{Name: "bar", Args: []event.Value{numeral(1)}}, &event.Event{Name: "foo_bar", Args: []event.Value{numeral(2)}})
		var log []byte
		require.Eventually(t, func() bool {
			log, _ = os.ReadFile(dir + "/other.log")
			return len(log) > 0
		}, deadline, 10*time.Millisecond)
		require.Contains(t, string(log), `"event":"foo_bar","args":{"arg1":2}`)
		require.NotContains(t, string(log), `"event":"bar"`, "what does not match is ignored")
		code, said := c.end(t, syscall.SIGTERM)
		require.Zero(t, code, said)
		all, err := filepath.Glob(dir + "/*.log")
		require.NoError(t, err)
		require.Len(t, all, 3, "comm, remote, other: %v", all)
	}
	// With what makes names known they are asked for.
	c := start(t, "-events", "Site::s.*", "-types", written(t, "site.bro", siteTypes), "/sensor_sshd_exec/")
	require.NotContains(t, c.passed, "no event that is known")
	p, _ := sensor(t, c.addr, nil)
	require.True(t, p.Wants("Site::seen"))
	require.True(t, p.Wants("sensor_sshd_exec"))
}

// TestPatternsThatAreNoFiles are told from names of files that are wrong.
func TestPatternsThatAreNoFiles(t *testing.T) {
	for want, args := range map[string][]string{
		"events file: open no/such/file.txt":                     {"-events", "no/such/file.txt"},
		"-events foo(.*: at character":                           {"-events", "foo(.*"},
		"types of Zeek: open":                                    {"-types", "/nowhere/site.bro"},
		"-events with a pattern is for the peers of -connect":    {"-policy", written(t, "local.bro", "@load listen-clear"), "-events", "foo_.*"},
		`site.bro, line 1: "{" where ":" should be`:              {"-types", written(t, "site.bro", "type X {")},
		"events.txt:1: \"foo_.*\" is not a name (letters, digit": {"-events", written(t, "events.txt", "foo_.* x\n")},
	} {
		code, _, said := ran(t, append([]string{"-listen", "127.0.0.1:0"}, args...)...)
		require.Equal(t, statusUsage, code, said)
		require.Contains(t, said, want)
	}
}
