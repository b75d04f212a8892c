package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/romanesco-broccoli/romanesco/internal/collector/pattern"
	"github.com/romanesco-broccoli/romanesco/internal/collector/script"
)

// wanted returns a value as one of a type, or what is wrong with it.
func wanted[T any](c cell, expected string) (T, error) {
	v, ok := c.value.(T)
	if ok {
		return v, nil
	}
	if u, is := c.value.(unknown); is {
		return v, u.err
	}
	return v, c.at.Fail("expected %s, found %s", expected, describe(c.value))
}

func toString(c cell) (string, error) { return wanted[string](c, aString) }
func toBool(c cell) (bool, error)     { return wanted[bool](c, "T or F") }

// toPath takes a string that is empty when it has the default of bro.init.
func toPath(c cell) (string, error) {
	s, err := toString(c)
	if s == "<undefined>" {
		s = ""
	}
	return s, err
}

func toHost(c cell) (netip.Addr, error) {
	return wanted[netip.Addr](c, anAddress)
}

// toPortNumber takes a port that can be connected to.
func toPortNumber(c cell) (uint16, error) {
	p, err := wanted[port](c, aPort)
	if err != nil {
		return 0, err
	}
	return portNumber(p, c.at)
}

func portNumber(p port, at script.Place) (uint16, error) {
	switch {
	case p.number == 0 || p.number > 65535:
		return 0, at.Fail("expected a port from 1 to 65535, found %v", p)
	case p.proto != "tcp":
		return 0, at.Fail("expected %s, found %v: Bros talk over TCP", aPort, p)
	}
	return uint16(p.number), nil
}

func toInterval(c cell) (time.Duration, error) {
	d, err := wanted[time.Duration](c, anInterval)
	if err == nil && d < 0 {
		return 0, c.at.Fail("expected an interval of 0 secs or more, found %v", d)
	}
	return d, err
}

// toLevel takes a level of compression.
func toLevel(c cell) (int, error) {
	const expected = "a number from 0 to 9"
	n, err := wanted[int64](c, expected)
	if err == nil && (n < 0 || n > 9) {
		return 0, c.at.Fail("expected %s, found the number %d", expected, n)
	}
	return int(n), err
}

func toPattern1(c cell) (*pattern.Pattern, error) { return wanted[*pattern.Pattern](c, aPattern) }

// maxShort is how long a class or a capture filter may be.
const maxShort = 1024

func toShort(c cell) (string, error) {
	s, err := toString(c)
	if err == nil && len(s) > maxShort {
		return "", c.at.Fail("expected a string of at most %d bytes, found one of %d", maxShort, len(s))
	}
	return s, err
}

// toZone takes the name of an interface, such as eth0, or its number.
func toZone(c cell) (string, error) {
	s, err := toShort(c)
	if err == nil && strings.ContainsAny(s, "%[]/ \t\r\n") {
		return "", c.at.Fail("expected the name of an interface such as eth0, found the string %.60q", s)
	}
	return s, err
}

func quote(s string) string { return fmt.Sprintf("%.60q", s) }
