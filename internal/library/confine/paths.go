package confine

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// names are the files that Go resolves names with, and its local time.
var names = []string{
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols", "/etc/localtime",
}

const (
	zones = "/usr/share/zoneinfo"
	boot  = "/proc/sys/kernel/random/boot_id" // of the spool
)

const (
	readFile   = landlock.AccessFSSet(ll.AccessFSReadFile)
	appendFile = landlock.AccessFSSet(ll.AccessFSWriteFile)
	folder     = landlock.AccessFSSet(ll.AccessFSReadFile | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSReadDir |
		ll.AccessFSMakeReg | ll.AccessFSMakeDir | ll.AccessFSRemoveFile | ll.AccessFSRemoveDir)
)

// signalsOfThreads is the erratum by which threads of one process may be in several
// domains and still signal each other, as Go's do.
const signalsOfThreads = 1 << 1

// restrict leaves the files of the grants and of name resolution. TCP may be connected and
// not bound; UDP is needed for names, and sockets of the machine are the filter's.
func (f *Files) restrict(grants []Grant) error {
	abi, err := ll.LandlockGetABIVersion()
	if err != nil {
		f.miss("Landlock: %v", err)
		if f.Report.UID == 0 {
			f.miss("a user: all files of root's are open to it")
		}
		return nil
	}
	f.Report.Landlock = abi
	cfg := landlock.Config{
		HandledAccessFS:  landlock.V9.HandledAccessFS,
		HandledAccessNet: ll.AccessNetBindTCP,
		Scoped:           scopes(abi, errata()),
	}
	f.pin(boot)
	return cfg.BestEffort().Restrict(rules(grants)...)
}

// scopes leaves signals away where Go's threads could not signal each other any more: the
// system call for all of them would wait for ever. Since version 8 all are in one domain.
func scopes(abi, errata int) landlock.ScopedSet {
	if abi < 8 && errata&signalsOfThreads == 0 {
		return ll.ScopeAbstractUnixSocket
	}
	return ll.ScopeAbstractUnixSocket | ll.ScopeSignal
}

// errata are those that the kernel has mended; an older one does not say.
func errata() int {
	mended, err := ll.LandlockGetErrata()
	if err != nil {
		return 0
	}
	return mended
}

func rules(grants []Grant) []landlock.Rule {
	may := func(access landlock.AccessFSSet, paths ...string) landlock.Rule {
		return landlock.PathAccess(access, slices.DeleteFunc(paths, unreachable)...).IgnoreIfMissing()
	}
	all := []landlock.Rule{
		may(readFile, append([]string{zones, boot, "/dev/urandom", "/dev/null"}, names...)...),
		may(appendFile, "/dev/null"),
	}
	if dir, ok := resolverFolder(); ok {
		all = append(all, may(readFile, dir))
	}
	for _, g := range grants {
		switch g.Mode {
		case Read:
			all = append(all, may(readFile, g.Path))
		case Append:
			all = append(all, may(appendFile, g.Path))
		case Folder:
			all = append(all, may(folder, g.Path))
		}
	}
	return all
}

// unreachable is what is not there, or behind a folder that is closed to the caller: an
// error of Read and Append, and none of Enter.
func unreachable(path string) bool { return look(path).err != nil }

// resolverFolder is where the resolver's file is written anew, by another name each time.
// It is granted if nothing else is there: /etc is not.
func resolverFolder() (string, bool) {
	path, err := filepath.EvalSymlinks("/etc/resolv.conf")
	dir := filepath.Dir(path)
	return dir, err == nil && strings.HasPrefix(dir, "/run/")
}

// pin keeps a file of /proc in the kernel's memory: one that is looked up anew later is
// another one to Landlock.
func (f *Files) pin(path string) {
	if fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
		f.pins = append(f.pins, fd)
	}
}
