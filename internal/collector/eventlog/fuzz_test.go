package eventlog

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/romanesco-broccoli/romanesco/internal/event"
	"github.com/romanesco-broccoli/romanesco/internal/printable"
	"github.com/romanesco-broccoli/romanesco/internal/protocol/wire"
)

// FuzzLines: whatever a peer sends becomes one line of each format, and in TSV
// as many columns as the heading has, whatever came before.
func FuzzLines(f *testing.F) {
	recordings, err := filepath.Glob("../../../testdata/vectors/*/*.bin")
	if err != nil || len(recordings) == 0 {
		f.Fatal("no recordings", err)
	}
	for _, name := range recordings {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := wire.NewReader(bytes.NewReader(stream), wire.Limits{})
		d := wire.NewDecoder(wire.Limits{})
		var s *schema
		for {
			typ, payload, err := r.Next()
			if err != nil {
				return
			}
			var ev event.Event
			if typ == wire.MsgSerial && len(payload) > 0 && d.Event(payload[1:], &ev) == nil {
				s = checkLines(t, &ev, s)
			}
		}
	})
}

func checkLines(t *testing.T, ev *event.Event, s *schema) *schema {
	t.Helper()
	for _, max := range []int{DefaultMaxLine, minLine} {
		line, _ := JSON(nil, ev, Peer{Addr: "p"}, nil, max)
		if !json.Valid(line) || len(line) > max {
			t.Fatalf("JSON of %d bytes: %q", len(line), line)
		}
		checkHarmless(t, line)
		if line, _ = Summary(nil, ev, Peer{Addr: "p"}, nil, max); len(line) > max {
			t.Fatalf("summary of %d bytes: %q", len(line), line)
		}
		checkHarmless(t, line)
	}
	fits := false
	var line []byte
	if s != nil {
		line, fits = rowOf(s, ev, nil)
	}
	if !fits {
		s = s.with(ev, nil)
		if line, fits = rowOf(s, ev, nil); !fits {
			t.Fatalf("%q does not fit its own heading %q", ev.Raw, s.head)
		}
	}
	checkColumns(t, s, line)
	cut := writer{fair: true}
	marked := s.mark()
	if cut.row(marked, ev, Peer{Addr: "p"}, nil, minLine) != written || len(cut.b) > minLine {
		t.Fatalf("cut to %d bytes: %q", len(cut.b), cut.b)
	}
	checkColumns(t, marked, cut.b)
	line, _ = rowOf(flat, ev, nil)
	checkColumns(t, flat, line)
	if name := fileName(ev.Name); strings.ContainsAny(name, "/\x00") || name[0] == '.' || name[0] == '-' || len(name) > maxFileName {
		t.Fatalf("file name %q", name)
	}
	return s
}

// checkHarmless: nothing in a line ends it, or does something to a terminal.
func checkHarmless(t *testing.T, line []byte) {
	t.Helper()
	for i := 0; i < len(line); {
		n := printable.Size(line[i:])
		if n == 0 {
			t.Fatalf("%q in %q", line[i], line)
		}
		i += n
	}
}

func checkColumns(t *testing.T, s *schema, line []byte) {
	t.Helper()
	fields, types, _ := strings.Cut(s.head, "\n")
	columns := bytes.Count(line, []byte{separator})
	if columns+1 != strings.Count(fields, "\t") || columns+1 != strings.Count(types, "\t") ||
		strings.Count(s.head, "\n") != 2 || line[0] == '#' {
		t.Fatalf("line %q under %q", line, s.head)
	}
	checkHarmless(t, bytes.ReplaceAll(line, []byte{separator}, nil))
}
