// Libbroccoli-core is the core of libbroccoli as a process of its own, which the library
// starts where /broccoli/core says so: see docs/daemons.md. It is of no use to anybody else.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/romanesco-broccoli/romanesco/internal/library/core"
	"github.com/romanesco-broccoli/romanesco/internal/library/server"
)

var version = "unknown" // set by the linker

// socket is where the library has put its end.
const socket = 3

func main() {
	if len(os.Args) > 1 || !isSocket(socket) {
		fmt.Fprintln(os.Stderr, "libbroccoli-core: libbroccoli starts this program by itself, where broccoli.conf has /broccoli/core process")
		os.Exit(2)
	}
	// The end of the last host is the only sign to end: what it has accepted is to be written.
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGSYS)
	core.Behave()
	if err := server.New(version).Serve(os.NewFile(socket, "host")); err != nil {
		os.Exit(1)
	}
}

func isSocket(fd int) bool {
	var st syscall.Stat_t
	return syscall.Fstat(fd, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFSOCK
}
