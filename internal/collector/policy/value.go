package policy

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"romanesco/internal/collector/pattern"
)

// The values of Bro's literals. Each takes the next token, which must be one of
// its kind.

func (p *parser) want(k kind, expected string) (token, error) {
	t := p.tok
	if t.kind != k {
		return t, p.fail(t.at, "expected %s, found %v", expected, t)
	}
	return t, p.advance()
}

func (p *parser) stringValue() (string, error) {
	t := p.tok
	if t.kind != tokString {
		return "", p.fail(t.at, `expected a string such as "text", found %v`, t)
	}
	s, err := p.unquote(t)
	if err != nil {
		return "", err
	}
	return s, p.advance()
}

func (p *parser) boolValue() (bool, error) {
	t, err := p.want(tokBool, "T or F")
	return t.text == "T", err
}

// portValue takes a port that can be connected to.
func (p *parser) portValue() (uint16, error) {
	const expected = "a port such as 47757/tcp"
	t, err := p.want(tokPort, expected)
	if err != nil {
		return 0, err
	}
	number, proto, _ := strings.Cut(t.text, "/")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return 0, p.fail(t.at, "expected a port from 1 to 65535, found %.60s", t.text)
	}
	if proto != "tcp" {
		return 0, p.fail(t.at, "expected %s, found %s: Bros talk over TCP", expected, t.text)
	}
	return uint16(n), nil
}

func (p *parser) addrValue() (netip.Addr, error) {
	const expected = "an address such as 10.1.2.3 or [2001:db8::1]"
	if t := p.tok; t.kind == tokHost {
		return netip.Addr{}, p.fail(t.at, "expected %s, found %v; names are not looked up", expected, t)
	}
	t, err := p.want(tokAddr, expected)
	if err != nil {
		return netip.Addr{}, err
	}
	a, err := netip.ParseAddr(strings.Trim(t.text, "[]"))
	if err != nil {
		return a, p.fail(t.at, "expected %s, found %.60s", expected, t.text)
	}
	return a.Unmap(), nil
}

// maxInterval bounds intervals to what a timer can take.
const maxInterval = 10 * 365 * 24 * time.Hour

var units = []struct {
	name string
	unit time.Duration
}{
	{"day", 24 * time.Hour}, {"hr", time.Hour}, {"min", time.Minute},
	{"msec", time.Millisecond}, {"usec", time.Microsecond}, {"sec", time.Second},
}

func (p *parser) intervalValue() (time.Duration, error) {
	const expected = "an interval such as 10 secs or 1.5 min"
	t, err := p.want(tokInterval, expected)
	if err != nil {
		return 0, err
	}
	text := strings.TrimSuffix(t.text, "s")
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		f, err := strconv.ParseFloat(strings.TrimRight(number, allBlank), 64)
		if err != nil || f*u.unit.Seconds() > maxInterval.Seconds() {
			return 0, p.fail(t.at, "expected an interval of ten years at most, found %.60s", t.text)
		}
		return time.Duration(f * float64(u.unit)), nil
	}
	return 0, p.fail(t.at, "expected %s, found %v", expected, t)
}

func (p *parser) countValue(most uint64) (uint64, error) {
	t := p.tok
	n, err := strconv.ParseUint(t.text, 0, 64)
	if strings.HasPrefix(t.text, "0") && !strings.HasPrefix(t.text, "0x") {
		n, err = strconv.ParseUint(t.text, 10, 64) // no octal numbers in Bro
	}
	if t.kind != tokCount || err != nil || n > most {
		return 0, p.fail(t.at, "expected a number from 0 to %d, found %v", most, t)
	}
	return n, p.advance()
}

// patternValue takes a pattern, or several joined by |.
func (p *parser) patternValue() (*pattern.Pattern, error) {
	var all []*pattern.Pattern
	first := p.tok.at
	for {
		t, err := p.want(tokPattern, "a pattern such as /sensor_sshd.*/")
		if err != nil {
			return nil, err
		}
		one, err := pattern.Compile(t.text[1 : len(t.text)-1])
		if err != nil {
			return nil, p.patternError(t.at+1, err)
		}
		all = append(all, one)
		if !p.isMark("|") {
			break
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	joined, err := pattern.Or(all...)
	if err != nil {
		return nil, p.patternError(first, err)
	}
	return joined, nil
}
