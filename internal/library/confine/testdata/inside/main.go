// Inside is the core of the tests of confine: it does what a core does, or what an
// attacker would do with it.
//
//	inside host MODE ...   is the host: starts the others, and waits
//	inside try NAME        tries one attack, confined if there is a plan
//	inside list            says which attacks there are
//	inside core            does what a core does, confined
//	inside files           reads and appends as its input says, confined
//	inside threads         waits, with threads from before Enter and after it
//	inside cost            says what Enter costs
//	inside old MODE ...    runs as if under an old kernel
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"unsafe"

	"github.com/romanesco-broccoli/romanesco/internal/library/confine"
)

// place is what the test has made ready, from the environment.
type place struct {
	Plan *confine.Plan // nil: not confined

	Secret  string // a file of another user
	Own     string // a file of the same user that was not granted
	Outside string // a folder that everybody can write to
	Folder  string // that was granted, or would have been
	Unix    string // a socket that a process listens at, by path
	Name    string // the same, abstract

	Addr, DNS      string // of a TLS server, of a server of names
	CA, Cert, Key  string
	Stats, Refused string

	host       int     // parent
	hostSecret uintptr // in its memory
}

const envPlace, envSecret = "INSIDE_PLACE", "INSIDE_SECRET"

var secret = [16]byte{'a', ' ', 's', 'e', 'c', 'r', 'e', 't'}

func main() {
	switch mode := os.Args[1]; mode {
	case "host":
		host(os.Args[2:])
	case "old":
		old(os.Args[2:])
	case "list":
		list()
	case "done":
		fmt.Println("done")
	case "try":
		try(os.Args[2])
	case "core":
		core()
	case "files":
		files()
	case "threads":
		threads()
	case "cost":
		cost()
	}
}

// host starts a core and gives it what a host would: sockets, and nothing else.
func host(args []string) {
	self, err := os.Executable()
	check(err)
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", envSecret, uintptr(unsafe.Pointer(&secret))))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	finish := give(cmd)
	check(cmd.Start())
	finish()
	if err := cmd.Wait(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func here() *place {
	p := &place{host: os.Getppid()}
	check(json.Unmarshal([]byte(os.Getenv(envPlace)), p))
	n, _ := strconv.ParseUint(os.Getenv(envSecret), 10, 64)
	p.hostSecret = uintptr(n)
	return p
}

// enter confines the process if there is a plan.
func (p *place) enter() *confine.Files {
	if p.Plan == nil {
		return nil
	}
	f, err := confine.Enter(*p.Plan)
	check(err)
	return f
}

func check(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(2)
	}
}
