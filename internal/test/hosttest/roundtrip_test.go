package hosttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/collector/eventlog"
	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/library/flat"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/peer"
)

// A longer run, or another one: the number of cases of each round trip, and
// where the random numbers start.
const (
	roundTrips    = "ROMANESCO_ROUNDTRIPS" // 1500 when it is not set
	roundTripSeed = "ROMANESCO_SEED"       // 1
)

func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 0, 64)
	require.NoError(t, err, name)
	return n
}

// patience is for n round trips, and a slow machine.
func patience(n uint64) time.Duration {
	return time.Minute + time.Duration(n)*50*time.Millisecond
}

// roundTrip returns what makes a command of testdata/roundtrip.c.
func roundTrip(t *testing.T, limit time.Duration) func(args ...string) *exec.Cmd {
	return func(args ...string) *exec.Cmd { return runFor(t, limit, "roundtrip", args...) }
}

// serveFor is serve for longer, or with other settings.
func serveFor(t *testing.T, limit time.Duration, cfg peer.Config, f func(*peer.Conn) error) (addr string, wait func() error) {
	t.Helper()
	addr, done := accept(t, func(nc net.Conn) error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		p, err := peer.Open(ctx, nc, cfg)
		cancel()
		if err != nil {
			return err
		}
		stop := time.AfterFunc(limit, func() { _ = nc.Close() })
		defer stop.Stop()
		return f(p)
	})
	return addr, func() error { return <-done }
}

// TestRoundTripGo: whatever values a program gets, it can take apart and put
// together anew with the C API, and they arrive as they were.
func TestRoundTripGo(t *testing.T) {
	n, seed := setting(t, roundTrips, 1500), setting(t, roundTripSeed, 1)
	t.Logf("%d cases from seed %d", n, seed)
	run := roundTrip(t, patience(n))
	g := &generator{rnd: rand.New(rand.NewPCG(seed, 0))}
	values := 0
	addr, wait := serveFor(t, patience(n), peer.Config{Requests: []string{"case", "rebuilt", "copied"}}, func(p *peer.Conn) error {
		for i := range n {
			args := g.args(int(i))
			sent := &event.Event{Name: "case", Time: 1, Args: append([]event.Value{typeNames(args)}, args...)}
			values += len(sent.Args[0].Elems)
			if err := p.Send(sent); err != nil {
				return err
			}
			if err := p.Flush(); err != nil {
				return err
			}
			for _, name := range []string{"rebuilt", "copied"} {
				var got event.Event
				if err := p.Next(&got); err != nil {
					return fmt.Errorf("case %d: %w", i, err)
				}
				if got.Name != name {
					return fmt.Errorf("case %d: got %s, not %s", i, got.Name, name)
				}
				if err := compare(args, got.Args); err != nil {
					return fmt.Errorf("case %d, %s: %w", i, name, err)
				}
				if err := validJSON(&got); err != nil {
					return fmt.Errorf("case %d: %w", i, err)
				}
			}
		}
		return p.Close()
	})
	require.NoError(t, run("echo", addr).Run())
	require.NoError(t, wait())
	t.Logf("%d values that can have a name, each there and back twice", values)
}

// TestRoundTripC: one program connects to another, and looks at what comes back
// through the C API.
func TestRoundTripC(t *testing.T) {
	n, seed := setting(t, roundTrips, 1500), setting(t, roundTripSeed, 1)
	run := roundTrip(t, patience(n))
	server := run("serve", "0")
	out, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	var port int
	_, err = fmt.Fscan(out, &port)
	require.NoError(t, err)
	said, err := run("client", fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprint(seed), fmt.Sprint(n)).Output()
	t.Logf("seed %d: %s", seed, bytes.TrimSpace(said))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("%d cases, 0 answers differ\n", n), string(said))
	require.NoError(t, server.Wait())
}

// TestRoundTripThroughGo: what a program has put together, in the model of the
// Go side, is valid JSON, and comes back to it as it was.
func TestRoundTripThroughGo(t *testing.T) {
	n, seed := setting(t, roundTrips, 1500), setting(t, roundTripSeed, 1)
	run := roundTrip(t, patience(n))
	addr, wait := serveFor(t, patience(n), peer.Config{Requests: []string{"case"}}, func(p *peer.Conn) error {
		for i := 0; ; i++ {
			var got event.Event
			if err := p.Next(&got); err == io.EOF {
				return nil
			} else if err != nil {
				return fmt.Errorf("case %d: %w", i, err)
			}
			if err := compare([]event.Value{typeNames(got.Args[1:])}, got.Args[:1]); err != nil {
				return fmt.Errorf("case %d, names of types: %w", i, err)
			}
			if err := validJSON(&got); err != nil {
				return fmt.Errorf("case %d: %w", i, err)
			}
			for _, name := range []string{"rebuilt", "copied"} {
				if err := p.Send(&event.Event{Name: name, Time: got.Time, Args: got.Args[1:]}); err != nil {
					return err
				}
			}
			if err := p.Flush(); err != nil {
				return err
			}
		}
	})
	said, err := run("client", addr, fmt.Sprint(seed), fmt.Sprint(n)).Output()
	t.Logf("seed %d: %s", seed, bytes.TrimSpace(said))
	require.NoError(t, err)
	require.NoError(t, wait())
}

// TestDeepValuesComeBack: as deep as values may nest, by whatever they nest.
func TestDeepValuesComeBack(t *testing.T) {
	run := roundTrip(t, time.Minute)
	addr, wait := serveFor(t, time.Minute, peer.Config{Requests: []string{"rebuilt", "copied"}}, func(p *peer.Conn) error {
		for _, by := range []event.Type{event.Record, event.Vector, event.List, event.Table, event.Set} {
			deepest, err := sendDeeper(p, by)
			if err != nil {
				return err
			}
			t.Logf("%v: %d deep", by, deepest)
			if deepest < 31 {
				return fmt.Errorf("%v of depth %d is refused", by, deepest+1)
			}
		}
		return p.Close()
	})
	require.NoError(t, run("echo", addr).Run())
	require.NoError(t, wait())
}

// sendDeeper sends values nested in each other, one deeper each time, as far as
// the C API takes them, and returns how deep that is.
func sendDeeper(p *peer.Conn, by event.Type) (int, error) {
	v := event.Value{Type: event.Count, Bits: 7}
	for depth := 1; ; depth++ {
		v = event.Value{Type: by, Elems: []event.Value{v}}
		if by == event.Table {
			v.Elems = append([]event.Value{{Type: event.String, Bytes: []byte("k")}}, v.Elems...)
		}
		args := []event.Value{v}
		sent := &event.Event{Name: "case", Args: []event.Value{typeNames(args), v}}
		if _, err := flat.AppendEvent(nil, sent); err != nil {
			return depth - 1, nil
		}
		if err := errors.Join(p.Send(sent), p.Flush()); err != nil {
			return 0, fmt.Errorf("%v %d deep: %w", by, depth, err)
		}
		for range 2 {
			var got event.Event
			if err := p.Next(&got); err != nil {
				return 0, fmt.Errorf("%v %d deep: %w", by, depth, err)
			}
			if err := compare(args, got.Args); err != nil {
				return 0, fmt.Errorf("%v %d deep: %w", by, depth, err)
			}
		}
	}
}

// validJSON looks at the line that the collector would write.
func validJSON(ev *event.Event) error {
	line, _ := eventlog.JSON(nil, ev, eventlog.Peer{Addr: "[::1]:1"}, nil, 0)
	var is struct {
		Event string
		Args  map[string]any
	}
	if !utf8.Valid(line) {
		return fmt.Errorf("no UTF-8: %q", line)
	}
	if i := bytes.IndexFunc(line, func(r rune) bool { return r < 0x20 }); i >= 0 {
		return fmt.Errorf("control character at %d: %q", i, line)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&is); err != nil {
		return fmt.Errorf("%w: %q", err, line)
	}
	if is.Event != ev.Name || len(is.Args) != len(ev.Args) {
		return fmt.Errorf("%s has %d arguments: %q", is.Event, len(is.Args), line)
	}
	return nil
}

// typeNames is the first argument of a case, see testdata/roundtrip.c.
func typeNames(args []event.Value) event.Value {
	list := event.Value{Type: event.Vector}
	var visit func(v *event.Value, nameable bool)
	visit = func(v *event.Value, nameable bool) {
		if v.Type == event.Unknown {
			return
		}
		if nameable {
			list.Elems = append(list.Elems, event.Value{Type: event.String, Bytes: []byte(v.TypeName)})
		}
		for i := range v.Elems {
			visit(&v.Elems[i], v.Type != event.Table && v.Type != event.Set)
		}
	}
	for i := range args {
		visit(&args[i], true)
	}
	return list
}

// compare says where got differs from what was sent.
func compare(want, got []event.Value) error {
	if len(want) != len(got) {
		return fmt.Errorf("%d values, not %d", len(got), len(want))
	}
	for i := range want {
		a, b := &want[i], &got[i]
		if a.Type != b.Type || a.TypeName != b.TypeName || a.Bits != b.Bits || a.Proto != b.Proto ||
			a.Addr != b.Addr || a.Width != b.Width || a.Field != b.Field || !bytes.Equal(a.Bytes, b.Bytes) {
			return fmt.Errorf("value %d: sent %.300s, got %.300s", i, fmt.Sprintf("%+v", *a), fmt.Sprintf("%+v", *b))
		}
		if err := compare(a.Elems, b.Elems); err != nil {
			return fmt.Errorf("value %d, %v: %w", i, a.Type, err)
		}
	}
	return nil
}

// generator makes values that the C API can build.
type generator struct {
	rnd *rand.Rand
}

var scalarTypes = []event.Type{
	event.Bool, event.Int, event.Count, event.Counter, event.Double, event.Time, event.Interval, event.String,
	event.Pattern, event.Enum, event.Port, event.Addr, event.Subnet,
}

var compoundTypes = []event.Type{event.Record, event.List, event.Vector, event.Table, event.Set}

func pick[T any](g *generator, from ...T) T { return from[g.rnd.IntN(len(from))] }

// args are the arguments of case i.
func (g *generator) args(i int) []event.Value {
	n := g.rnd.IntN(7)
	if i%50 == 0 {
		n = 48
	}
	args := make([]event.Value, n)
	for i := range args {
		args[i] = g.value(g.typ(5), 5)
		g.name(&args[i])
	}
	return args
}

func (g *generator) typ(depth int) event.Type {
	if depth > 0 && g.rnd.IntN(2) == 0 {
		return pick(g, compoundTypes...)
	}
	return pick(g, scalarTypes...)
}

// name gives the type of a value a name, where the value can be told by that.
func (g *generator) name(v *event.Value) {
	switch v.Type {
	case event.Enum:
		v.TypeName = pick(g, "", "conn_state", "Notice::Type", "a", "x::yyyyyyy", "\xfe\n")
	case event.Bool, event.Int, event.Count, event.Counter, event.Double, event.Time, event.String:
		if g.rnd.IntN(8) == 0 {
			v.TypeName = v.Type.String()
		}
	case event.Interval, event.Port, event.Addr, event.Subnet, event.Pattern, event.Vector:
		if g.rnd.IntN(8) == 0 {
			v.TypeName = "mod::Named"
		}
	case event.Record:
		if g.rnd.IntN(8) == 0 {
			v.TypeName = "conn_id"
			for i := range v.Elems {
				v.Elems[i].Field = "" // a name says all: the fields' own are not sent
			}
		}
	}
}

func (g *generator) value(t event.Type, depth int) event.Value {
	v := event.Value{Type: t}
	switch t {
	case event.Bool:
		v.Bits = g.rnd.Uint64N(2)
	case event.Int, event.Count, event.Counter, event.Enum:
		v.Bits = pick(g, 0, 1, 1<<31, 1<<63, math.MaxUint64, g.rnd.Uint64())
	case event.Double, event.Time, event.Interval:
		v.Bits = math.Float64bits(pick(g, 0, math.Copysign(0, -1), 1.5, -1e300, math.Inf(1), math.NaN(),
			math.SmallestNonzeroFloat64, 1126645547.25, math.Float64frombits(g.rnd.Uint64())))
	case event.String:
		v.Bytes = g.bytes(0)
	case event.Pattern:
		v.Bytes = g.bytes(1)
	case event.Port:
		v.Bits, v.Proto = g.rnd.Uint64N(1<<16), pick(g, uint8(0), 1, 6, 17)
	case event.Addr:
		v.Addr, _ = g.addr()
	case event.Subnet:
		var bits int
		v.Addr, bits = g.addr()
		v.Width = uint8(g.rnd.IntN(bits + 1))
	case event.Record, event.Vector, event.List:
		v.Elems = g.elems(t, depth)
	case event.Table, event.Set:
		v.Elems = g.entries(t, depth)
	}
	return v
}

func (g *generator) addr() (a [16]byte, bits int) {
	for i := range a {
		a[i] = byte(g.rnd.Uint32())
	}
	if g.rnd.IntN(2) == 0 {
		return a, 128
	}
	copy(a[:], []byte{10: 255, 11: 255})
	return a, 32
}

// bytes are mostly few; none is below least.
func (g *generator) bytes(least byte) []byte {
	if g.rnd.IntN(2) == 0 {
		return []byte(pick(g, "", "text", "\"q\"\\/\x01\x1f\x7f\n\t\r", "grün 🥦 \u2028", "a|b.*", strings.Repeat("8", 8)))
	}
	n := g.rnd.IntN(20)
	if g.rnd.IntN(100) == 0 {
		n = g.rnd.IntN(300_000)
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = max(byte(g.rnd.Uint32()), least)
	}
	return b
}

func (g *generator) elems(t event.Type, depth int) []event.Value {
	elems := make([]event.Value, g.rnd.IntN(6))
	typ := g.typ(depth)
	for i := range elems {
		if t != event.Vector {
			typ = g.typ(depth)
		}
		if t == event.List || g.rnd.IntN(5) > 0 {
			elems[i] = g.value(typ, depth-1)
			g.name(&elems[i])
		}
		if t == event.Record {
			elems[i].Field = pick(g, "", "a", "id", "orig_h", "resp_h", "a name", "grün", "\xff\"", fmt.Sprintf("f%d", i))
		}
	}
	return elems
}

// entries have keys each of which is there once.
func (g *generator) entries(t event.Type, depth int) []event.Value {
	var elems []event.Value
	seen := map[string]bool{}
	keyType, valType := pick(g, scalarTypes...), g.typ(depth)
	composite := g.rnd.IntN(2) == 0
	if depth > 0 && g.rnd.IntN(6) == 0 {
		keyType = pick(g, event.Record, event.Vector)
	}
	for range g.rnd.IntN(8) {
		var key event.Value
		if composite {
			key.Type = event.List
			for range 2 + g.rnd.IntN(3) {
				index := g.value(pick(g, scalarTypes...), 0)
				g.name(&index)
				key.Elems = append(key.Elems, index)
			}
		} else {
			key = g.value(keyType, 0)
		}
		if s := identity(key); !seen[s] {
			seen[s] = true
			elems = append(elems, key)
			if t == event.Table {
				elems = append(elems, g.value(valType, depth-1))
			}
		}
	}
	return elems
}

// identity is a text that keys have in common which are one to the C API: names
// do not count, and 0 is -0.
func identity(key event.Value) string {
	key.Field, key.TypeName = "", ""
	switch key.Type {
	case event.Double, event.Time, event.Interval:
		if key.Float() == 0 {
			key.Bits = 0
		}
	}
	text := fmt.Sprintf("%v %x %x %x %d %d(", key.Type, key.Bits, key.Bytes, key.Addr, key.Proto, key.Width)
	for _, v := range key.Elems {
		text += identity(v) + ","
	}
	return text + ")"
}
