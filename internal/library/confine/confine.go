// Package confine has the process of the core give up all that it does not need, for all
// of its threads and for good, before it reads what a peer has sent. docs/confinement.md
// says what an attacker has that takes the core over. It imports only package regular.
package confine

import (
	"fmt"
	"strings"
)

// Mode is what is done with a path.
type Mode int

const (
	// Read is of a file that is read now and again: keys, certificates, declarations.
	Read Mode = iota
	// Append is of a file that is appended to, and made if it is not there: statistics.
	Append
	// Folder is of a folder that is there, in which files and folders are made, renamed,
	// removed, locked and mapped: the spool.
	Folder
)

// Grant is a path that stays usable.
type Grant struct {
	Path string
	Mode Mode
}

// Plan says what a process keeps.
type Plan struct {
	// User is the user to run as: a name or a number. "" is the caller; and if that is root, the
	// owner of the first Folder, or nobody without one. Root as such an owner stays, without a capability.
	User   string
	Grants []Grant
	// Must has Enter fail where the kernel refuses a part of it.
	Must bool
	// Bounding has root empty its bounding set, of which nothing can be gained without new
	// privileges. That costs 0.1 ms for each capability in it.
	Bounding bool
}

// Report says what has come of a Plan, for a log.
type Report struct {
	UID, GID int
	Landlock int // version of its ABI, 0 without it
	Seccomp  bool
	Missing  []string // what this kernel does not restrict
}

func (r Report) String() string {
	s := fmt.Sprintf("confined: uid %d, gid %d, Landlock %d, seccomp %t", r.UID, r.GID, r.Landlock, r.Seccomp)
	if len(r.Missing) > 0 {
		s += "; missing: " + strings.Join(r.Missing, "; ")
	}
	return s
}

// Enter opens and reads what is granted while that is allowed, and then gives up all else
// for all threads. After an error some is given up and some is not: the process is to end. The program must
// have been built without cgo.
func Enter(p Plan) (*Files, error) {
	id, err := choose(p)
	if err != nil {
		return nil, err
	}
	f := open(p.Grants)
	f.Report.UID, f.Report.GID = id.uid, id.gid
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"limits", limit},
		{"no_new_privs", noNewPrivileges},
		{"bounding set", func() error { return emptyBounding(p.Bounding) }},
		{"Landlock", func() error { return f.restrict(p.Grants) }}, // while every path can be reached
		{"user", id.become},
		{"capabilities", dropCapabilities},
		{"dumpable", hide}, // which a change of the user undoes
		{"seccomp", f.filter},
	} {
		if err := step.do(); err != nil {
			return nil, fmt.Errorf("confining the core: %s: %w", step.name, err)
		}
	}
	if p.Must && len(f.Report.Missing) > 0 {
		return nil, fmt.Errorf("confining the core: this kernel does not have all of it: %s", strings.Join(f.Report.Missing, "; "))
	}
	return f, nil
}

// miss notes what there is not.
func (f *Files) miss(format string, args ...any) {
	f.Report.Missing = append(f.Report.Missing, fmt.Sprintf(format, args...))
}
