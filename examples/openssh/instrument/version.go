package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// version is a release of OpenSSH, as 9.2.
type version [2]int

func (v version) String() string { return fmt.Sprintf("OpenSSH_%d.%d", v[0], v[1]) }

func (v version) before(w version) bool { return slices.Compare(v[:], w[:]) < 0 }

// versions are those from the first one up to the last, which is not among
// them. A zero is no bound.
type versions struct{ from, until version }

func (vs versions) has(v version) bool {
	return !v.before(vs.from) && (vs.until == version{} || v.before(vs.until))
}

// version returns what version.h says.
func (s *source) version() (version, error) {
	b, err := os.ReadFile(filepath.Join(s.dir, "version.h"))
	if err != nil {
		return version{}, fmt.Errorf("which version of OpenSSH it is: %w", err)
	}
	m := regexp.MustCompile(`OpenSSH_([0-9]+)\.([0-9]+)`).FindSubmatch(b)
	if m == nil {
		return version{}, errors.New("version.h does not say which version of OpenSSH it is")
	}
	major, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return version{}, fmt.Errorf("version.h: %w", err)
	}
	minor, err := strconv.Atoi(string(m[2]))
	if err != nil {
		return version{}, fmt.Errorf("version.h: %w", err)
	}
	return version{major, minor}, nil
}
