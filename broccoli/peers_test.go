package broccoli_test

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/broccoli"
)

// patience is for what must come in the end; nothing depends on how long it takes.
const patience = 60 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func logger(t *testing.T) *slog.Logger {
	if !testing.Verbose() {
		return nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil)).With("test", t.Name())
}

// listen returns a listener at a free port.
func listen(t *testing.T, cfg broccoli.Config) *broccoli.Listener {
	t.Helper()
	cfg.Logger = logger(t)
	l, err := broccoli.Listen("127.0.0.1:0", cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func dial(t *testing.T, addr string, cfg broccoli.Config) *broccoli.Conn {
	t.Helper()
	cfg.Logger = logger(t)
	c, err := broccoli.Dial(within(t), addr, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// pair returns the two ends of a connection, the first of which has connected.
func pair(t *testing.T, a, b broccoli.Config) (*broccoli.Conn, *broccoli.Conn) {
	t.Helper()
	l := listen(t, b)
	first := dial(t, l.Addr().String(), a)
	second, err := l.Accept(within(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = second.Close() })
	return first, second
}

func receive(t *testing.T, c *broccoli.Conn) *broccoli.Event {
	t.Helper()
	ev, err := c.Receive(within(t))
	require.NoError(t, err)
	return ev
}

// connID is a record of Bro's.
type connID struct {
	_     struct{}      `bro:"conn_id"`
	OrigH netip.Addr    `bro:"orig_h"`
	OrigP broccoli.Port `bro:"orig_p"`
	RespH netip.Addr    `bro:"resp_h"`
	RespP broccoli.Port `bro:"resp_p"`
}

type key struct {
	Host netip.Addr `bro:"host"`
	User string     `bro:"user"`
}

type everything struct {
	Yes     bool                    `bro:"yes"`
	Int     int                     `bro:"int"`
	Small   int8                    `bro:"small"`
	Count   uint64                  `bro:"count"`
	Double  float64                 `bro:"double"`
	Text    string                  `bro:"text"`
	Raw     []byte                  `bro:"raw"`
	At      time.Time               `bro:"at"`
	Took    time.Duration           `bro:"took"`
	Net     netip.Prefix            `bro:"net"`
	V6      netip.Addr              `bro:"v6"`
	Colour  broccoli.Enum           `bro:"colour"`
	Pattern broccoli.Pattern        `bro:"pattern"`
	ID      connID                  `bro:"id"`
	Note    *string                 `bro:"note"`
	Missing *connID                 `bro:"missing"`
	List    []string                `bro:"list"`
	Records []connID                `bro:"records"`
	Table   map[string]uint64       `bro:"table"`
	ByKey   map[key][]int           `bro:"by_key"`
	Set     map[netip.Addr]struct{} `bro:"set"`
	Pairs   map[key]struct{}        `bro:"pairs"`
	Ignored int                     `bro:"-"`
}

func sample() everything {
	note := "n\x00\xff"
	id := connID{
		OrigH: netip.MustParseAddr("192.0.2.1"), OrigP: broccoli.Port{Number: 1234, Proto: broccoli.TCP},
		RespH: netip.MustParseAddr("2001:db8::1"), RespP: broccoli.Port{Number: 53, Proto: broccoli.UDP},
	}
	k := key{netip.MustParseAddr("192.0.2.7"), "root"}
	return everything{
		Yes: true, Int: -1, Small: -128, Count: 1<<64 - 1, Double: 0.1, Text: "text", Raw: []byte{0, 1, 0xff},
		At: time.Unix(1700000000, 123457000), Took: 1500 * time.Millisecond,
		Net: netip.MustParsePrefix("10.0.0.0/8"), V6: netip.MustParseAddr("2001:db8::2"),
		Colour: broccoli.Enum{Type: "Site::Colour", Number: 3}, Pattern: "a.*b", ID: id, Note: &note,
		List: []string{"a", ""}, Records: []connID{id, id}, Table: map[string]uint64{"a": 1, "b": 2},
		ByKey: map[key][]int{k: {1, 2}}, Set: map[netip.Addr]struct{}{id.OrigH: {}}, Pairs: map[key]struct{}{k: {}},
	}
}
