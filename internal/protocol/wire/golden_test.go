package wire

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/romanesco-broccoli/romanesco/internal/event"
)

func floatBits(f float64) uint64 { return math.Float64bits(f) }

func TestClientsAreReproduced(t *testing.T) {
	for _, folder := range recordings {
		t.Run(folder, func(t *testing.T) {
			want := recording(t, folder, "client.bin")
			s := decodeSession(t, want)
			assert.Equal(t, want, s.again)
			assert.Equal(t, Version{Protocol: ProtocolVersion, CacheSize: CacheSize, DataFormat: DataFormatVersion}, s.version)
			caps := uint32(CapBroccoli | CapDontCache)
			if folder == "compound-cache" {
				caps = CapBroccoli
			}
			assert.Equal(t, []uint32{caps}, s.caps)
		})
	}
}

func TestServers(t *testing.T) {
	for _, folder := range recordings {
		t.Run(folder, func(t *testing.T) {
			s := decodeSession(t, recording(t, folder, "server.bin"))
			assert.EqualValues(t, ProtocolVersion, s.version.Protocol)
			assert.EqualValues(t, DataFormatVersion, s.version.DataFormat)
			assert.EqualValues(t, 3000, s.version.CacheSize)
			assert.Empty(t, s.version.Class)
			assert.Equal(t, []uint32{CapCompress | Cap64BitIDs | CapNewCacheStrategy}, s.caps)
			require.Len(t, s.ids, 1)
			assert.Equal(t, ID{
				Name: "peer_description", Scope: ScopeGlobal, Const: true,
				Type: event.String, Value: vString("bro"),
			}, s.ids[0])
		})
	}
}

func TestRequests(t *testing.T) {
	for folder, want := range map[string][]string{
		"ping":    {"ping"},
		"enum":    {"enumtest"},
		"v6addrs": {"broccoli_addr", "broccoli_subnet"},
		"vectors": {"broccoli_string", "broccoli_vector", "broccoli_vector_element"},
	} {
		got := decodeSession(t, recording(t, folder, "server.bin")).request
		assert.Subset(t, got, want, folder)
	}
}

// describe prints a value as Bro prints it.
func describe(v *event.Value) string {
	switch v.Type {
	case event.Bool:
		return map[uint64]string{0: "F", 1: "T"}[v.Bits]
	case event.Int, event.Enum:
		return strconv.FormatInt(v.Int64(), 10)
	case event.Count:
		return strconv.FormatUint(v.Bits, 10)
	case event.Time, event.Double, event.Interval:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case event.String:
		var b strings.Builder
		for _, c := range v.Bytes {
			if c < ' ' || c > '~' {
				fmt.Fprintf(&b, `\x%02x`, c)
			} else {
				b.WriteByte(c)
			}
		}
		return b.String()
	case event.Port:
		return fmt.Sprintf("%d/%s", v.Bits, map[uint8]string{6: "tcp", 17: "udp", 1: "icmp", 0: "unknown"}[v.Proto])
	case event.Addr:
		return netip.AddrFrom16(v.Addr).Unmap().String()
	case event.Subnet:
		return netip.PrefixFrom(netip.AddrFrom16(v.Addr).Unmap(), int(v.Width)).String()
	case event.Vector:
		return "[" + describeAll(v.Elems) + "]"
	}
	return "?"
}

func describeAll(vs []event.Value) string {
	var parts []string
	for i := range vs {
		parts = append(parts, describe(&vs[i]))
	}
	return strings.Join(parts, ", ")
}

func TestSensorEventsAreWhatBroPrinted(t *testing.T) {
	s := decodeSession(t, recording(t, "sensor-sshd", "client.bin"))
	short := strings.NewReplacer("sensor_sshd_", "", "channel_new_", "new_", "auth_password_attempt", "password")
	var got strings.Builder
	for _, ev := range s.events {
		fmt.Fprintf(&got, "%s, %s\n", short.Replace(ev.Name), describeAll(ev.Args))
	}
	assert.Equal(t, string(recording(t, "sensor-sshd", "bro.stdout")), got.String())
}

// printed renders events as the scripts of Bro's own tests print them.
func printed(events []event.Event) string {
	var b strings.Builder
	for _, ev := range events {
		fmt.Fprintf(&b, "%s(%s)\n", ev.Name, describeAll(ev.Args))
	}
	return b.String()
}

func TestAddressesAndVectorsAreWhatBroPrinted(t *testing.T) {
	for _, folder := range []string{"v6addrs", "vectors"} {
		_, want, _ := strings.Cut(string(recording(t, folder, "bro.stdout")), "handshake done with peer\n")
		server := decodeSession(t, recording(t, folder, "server.bin"))
		client := decodeSession(t, recording(t, folder, "client.bin"))
		assert.Equal(t, want, printed(server.events)+printed(client.events), folder)
	}
}

func TestVectorIsWhatClientPrinted(t *testing.T) {
	var got strings.Builder
	for _, ev := range decodeSession(t, recording(t, "vectors", "server.bin")).events {
		fmt.Fprintf(&got, "Received %s\n", ev.Name)
		for i, v := range ev.Args[0].Elems {
			fmt.Fprintf(&got, "  %d: %s\n", i, v.Bytes)
		}
	}
	assert.Contains(t, string(recording(t, "vectors", "client.stdout")), got.String())
}

func TestEnumGoesByName(t *testing.T) {
	s := decodeSession(t, recording(t, "enum", "client.bin"))
	require.Len(t, s.events, 1)
	assert.Equal(t, "enumtest", s.events[0].Name)
	// The client gave an int where libbroccoli reads 64 bits.
	const want = 3330185635498557442
	assert.Equal(t, []event.Value{vEnum("enumtest::enumtype", want)}, s.events[0].Args)
	assert.Contains(t, string(recording(t, "enum", "bro.stdout")), strconv.Itoa(want))
}

// pings returns the events as ping.log describes them.
func pings(t *testing.T, events []event.Event, dest []event.Event) string {
	var b strings.Builder
	field := func(ev *event.Event, i int) event.Value {
		if ev.Args[0].Type == event.Record {
			return ev.Args[0].Elems[i]
		}
		return ev.Args[i]
	}
	isRecord := events[0].Args[0].Type == event.Record
	order := []int{0, 1, 2} // source time, destination time, sequence
	if isRecord {
		order = []int{1, 2, 0}
	}
	for i := range events {
		seqAt := 1
		if isRecord {
			seqAt = 0
		}
		seq, src := field(&events[i], seqAt), field(&events[i], 1-seqAt)
		require.Equal(t, event.Count, seq.Type)
		require.Equal(t, event.Time, src.Type)
		back := field(&dest[i], order[0])
		at := field(&dest[i], order[1])
		again := field(&dest[i], order[2])
		assert.Equal(t, src.Bits, back.Bits)
		assert.Equal(t, seq.Bits, again.Bits)
		fmt.Fprintf(&b, "ping received, seq %d, %.6f at src, %.6f at dest, one-way: %.6f\n",
			seq.Bits, src.Float(), at.Float(), at.Float()-src.Float())
	}
	return b.String()
}

func TestPingsAreWhatBroLogged(t *testing.T) {
	for _, folder := range []string{"ping", "ping-record"} {
		t.Run(folder, func(t *testing.T) {
			client := decodeSession(t, recording(t, folder, "client.bin"))
			server := decodeSession(t, recording(t, folder, "server.bin"))
			require.Len(t, client.events, 3)
			require.Len(t, server.events, 3)
			got := pings(t, client.events, server.events)
			assert.Equal(t, string(recording(t, folder, "ping.log")), got)
		})
	}
	ev := decodeSession(t, recording(t, "ping-record", "server.bin")).events[0]
	var fields []string
	for _, f := range ev.Args[0].Elems {
		fields = append(fields, f.Field)
	}
	assert.Equal(t, []string{"seq", "src_time", "dst_time"}, fields)
}

// wantCompound is what compound.bro sends. The order in a table is Bro's.
func wantCompound(cached bool) map[string][]event.Value {
	inner := func(a uint64, b string) event.Value {
		return vMany(event.Record, named("a", vCount(a)), named("b", vString(b)))
	}
	outer := vMany(event.Record,
		named("s", vString("outer")), named("r", inner(42, "inner")),
		named("o", event.Value{}), named("d", vFloat(event.Interval, 90)),
		named("p", vPort(53, event.ProtoUDP)), named("n", vSubnet("10.0.0.0/8")),
		named("x", vFloat(event.Double, -2.5)))
	outer.TypeName = "outer"
	web := []event.Value{vMany(event.List, vAddr("1.2.3.4"), vPort(80, event.ProtoTCP)), vString("web")}
	dns := []event.Value{vMany(event.List, vAddr("::1"), vPort(53, event.ProtoUDP)), vString("dns")}
	table2 := append(web, dns...)
	if cached { // hashed with another seed
		table2 = append(dns, web...)
	}
	return map[string][]event.Value{
		"b2c_scalars": {
			vBool(true), vInt(-5), vCount(math.MaxUint64), vFloat(event.Double, 3.25),
			vFloat(event.Time, 1126645547.5), vFloat(event.Interval, 90), vString("h\x00i"),
			vPort(22, event.ProtoTCP), vAddr("2001:db8::1"), vSubnet("192.168.0.0/16"),
			vEnum("color", 2),
		},
		"b2c_record": {outer},
		"b2c_table":  {vMany(event.Table, vString("one"), vCount(1), vString("two"), vCount(2))},
		"b2c_table2": {vMany(event.Table, table2...)},
		"b2c_set":    {vMany(event.Set, vCount(1), vCount(2), vCount(3))},
		"b2c_set2": {vMany(event.Set,
			vMany(event.List, vString("b"), vCount(2)), vMany(event.List, vString("a"), vCount(1)))},
		"b2c_vector":  {vMany(event.Vector, vAddr("1.1.1.1"), vAddr("2.2.2.2"))},
		"b2c_vecrec":  {vMany(event.Vector, inner(42, "inner"), inner(7, "x"))},
		"b2c_pattern": {vPattern("foo|bar.*")},
	}
}

func TestCompound(t *testing.T) {
	for _, folder := range []string{"compound", "compound-cache"} {
		t.Run(folder, func(t *testing.T) {
			want := wantCompound(folder == "compound-cache")
			s := decodeSession(t, recording(t, folder, "server.bin"))
			for _, ev := range s.events {
				assert.Equal(t, want[ev.Name], ev.Args, ev.Name)
				delete(want, ev.Name)
			}
			assert.Empty(t, want, "not received")
		})
	}
}

// What we send has the form of what Bro sends, save that Bro marks types that
// are its own objects, gives the classes of strings, and knows times.
func TestCompoundIsEncodedLikeBro(t *testing.T) {
	for _, m := range messages(t, recording(t, "compound", "server.bin")) {
		if m.typ != MsgSerial || m.payload[0] != SerialEvent {
			continue
		}
		var ev event.Event
		require.NoError(t, NewDecoder(DefaultLimits()).Event(m.payload[1:], &ev))
		switch ev.Name {
		case "b2c_scalars", "b2c_record":
			continue // an enum and an attribute, whose types we do not know
		case "b2c_set":
			continue // a type that Bro has inferred
		}
		out, err := new(Encoder).AppendEvent(nil, &ev)
		require.NoError(t, err)
		want := bytes.Clone(m.payload)
		// The object of a basic type has a flag before an empty name.
		want = bytes.ReplaceAll(want, []byte{0x88, 0x06}, []byte{0x88, 0x01})
		for tag := byte(1); tag <= byte(event.Subnet); tag++ {
			if event.Type(tag) == event.Pattern {
				continue // the flag is Bro's there
			}
			head := func(base byte) []byte {
				var order byte
				if event.Type(tag) == event.Port {
					order = 1
				}
				return []byte{0x8a, 1, 0, tag, byte(storageOf(event.Type(tag))), order, base, 0, 0, 0, 0}
			}
			want = bytes.ReplaceAll(want, head(1), head(0))
		}
		got := out[len(appendHeader(nil, MsgSerial))+lengthSize:]
		if ev.Args[0].Type == event.Table || ev.Args[0].Type == event.Set {
			want = withoutTimes(want)
		}
		assert.Equal(t, want, got, ev.Name)
	}
}

// withoutTimes zeroes the pairs of times after the entries of a table.
func withoutTimes(b []byte) []byte {
	const year = "\x41\xda\xc1\x4a" // where seconds since the epoch begin
	for i := 0; i+16 <= len(b); i++ {
		if string(b[i:i+4]) == year && string(b[i+8:i+12]) == year {
			clear(b[i : i+16])
		}
	}
	return b
}

func TestDecodedValuesSurviveEncoding(t *testing.T) {
	for _, cached := range []bool{false, true} {
		for name, args := range wantCompound(cached) {
			ev := event.Event{Name: name, Time: 1.5, Args: args}
			out, err := new(Encoder).AppendEvent(nil, &ev)
			require.NoError(t, err)
			got := decodeSession(t, out).events[0]
			want := args
			if name == "b2c_record" {
				want = cloneValues(args)
				for i := range want[0].Elems { // the type went by name
					want[0].Elems[i].Field = ""
				}
			}
			assert.Equal(t, want, got.Args, name)
			assert.Equal(t, 1.5, got.Time)
		}
	}
}
