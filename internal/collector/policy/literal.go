package policy

import (
	"errors"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/pattern"
	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

const (
	anAddress   = "an address such as 10.1.2.3 or [2001:db8::1]"
	aPort       = "a port such as 47757/tcp"
	anInterval  = "an interval such as 10 secs or 1.5 min"
	aPattern    = "a pattern such as /sensor_sshd.*/"
	aString     = `a string such as "text"`
	allBlank    = " \t\u00a0"
	maxInterval = 10 * 365 * 24 * time.Hour // bounds intervals to what a timer can take
)

// literal returns the value of a token.
func literal(t script.Token, at script.Place) value {
	switch t.Kind {
	case script.Bool:
		return t.Text == "T"
	case script.Count:
		return count(t.Text, at)
	case script.Double:
		f, err := strconv.ParseFloat(t.Text, 64)
		if err != nil {
			return failed(at, "%.60s is too large a number", t.Text)
		}
		return f
	case script.String:
		return unquote(t, at)
	case script.Port:
		number, proto, _ := strings.Cut(t.Text, "/")
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			n = 1 << 32 // no port
		}
		return port{n, proto}
	case script.Addr:
		a, err := netip.ParseAddr(strings.TrimPrefix(strings.Trim(t.Text, "[]"), "0x"))
		if err != nil {
			return failed(at, "expected %s, found %.60s", anAddress, t.Text)
		}
		return a.Unmap()
	case script.Subnet:
		bare := strings.NewReplacer("[", "", "]", "", " ", "", "\t", "", "\u00a0", "").Replace(t.Text)
		p, err := netip.ParsePrefix(bare)
		if err != nil {
			return failed(at, "expected a network such as 10.0.0.0/8, found %.60s", t.Text)
		}
		return p.Masked()
	case script.Host:
		return failed(at, "expected %s, found %v; names are not looked up", anAddress, t)
	case script.Interval:
		return interval(t.Text, at)
	case script.Directive: // @DIR and @FILENAME
		return directory(t.Text, at)
	}
	return failed(at, "%v is not understood", t)
}

func failed(at script.Place, format string, args ...any) unknown {
	return unknown{at.Fail(format, args...)}
}

func directory(word string, at script.Place) value {
	if word == "@FILENAME" {
		return filepath.Base(at.File.Name)
	}
	return filepath.Dir(at.File.Name)
}

func count(text string, at script.Place) value {
	base := 10 // no octal numbers in Bro
	if strings.HasPrefix(text, "0x") {
		text, base = text[2:], 16
	}
	n, err := strconv.ParseInt(text, base, 64)
	if err != nil {
		return failed(at, "%.60s is too large a number", text)
	}
	return n
}

var units = []struct {
	name string
	unit time.Duration
}{
	{"day", 24 * time.Hour}, {"hr", time.Hour}, {"min", time.Minute},
	{"msec", time.Millisecond}, {"usec", time.Microsecond}, {"sec", time.Second},
}

func interval(whole string, at script.Place) value {
	text := strings.TrimSuffix(whole, "s")
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		f, err := strconv.ParseFloat(strings.TrimRight(number, allBlank), 64)
		if err != nil || f*u.unit.Seconds() > maxInterval.Seconds() {
			break
		}
		return time.Duration(f * float64(u.unit))
	}
	return failed(at, "expected an interval of ten years at most, found %.60s", whole)
}

// pattern returns the value of a pattern, which is compiled once.
func (e *env) pattern(text string, at script.Place) value {
	v, ok := e.patterns[text]
	if !ok {
		if len(e.patterns) == maxPatterns {
			return failed(at, "more than %d different patterns", maxPatterns)
		}
		v = expression(text, at)
		e.patterns[text] = v
	}
	return v
}

// expression returns a pattern.
func expression(text string, at script.Place) value {
	if strings.HasSuffix(text, "i") {
		return failed(at, "a pattern for all cases, /.../i, is not understood: write [Aa] for a")
	}
	p, err := pattern.Compile(text[1 : len(text)-1])
	if err != nil {
		at.At++
		return unknown{patternError(at, err)}
	}
	return p
}

// patternError gives an error in a pattern its place; at is where the pattern begins.
func patternError(at script.Place, err error) error {
	var e *pattern.Error
	if errors.As(err, &e) {
		at.At = min(at.At+e.Offset, len(at.File.Text))
		return at.Fail("%s", e.Msg)
	}
	return at.Fail("%v", err)
}

// unquote returns what a string says.
func unquote(t script.Token, at script.Place) value {
	if len(t.Text) > maxText {
		return failed(at, "a string of more than %d bytes", maxText)
	}
	var b strings.Builder
	for in := t.Text[1 : len(t.Text)-1]; in != ""; {
		c := in[0]
		in = in[1:]
		if c == '\\' {
			v, n, err := pattern.Unescape(in)
			if err != nil {
				at.At += len(t.Text) - 2 - len(in)
				return failed(at, "%v", err)
			}
			c, in = v, in[n:]
		}
		if c == 0 {
			return failed(at, "a string with a NUL in it is of no use here")
		}
		b.WriteByte(c)
	}
	return b.String()
}
