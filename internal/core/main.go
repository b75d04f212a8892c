// Package main is the core: libbroccoli-core.so, which the front (capi) loads
// on the first connect. It is the only room where Go and C meet: it takes
// records from the outbound ring to a peer, and a peer's events to the inbound
// ring. Its functions are called on threads of the front's own, never on one
// of the host's.
package main

/*
#cgo CFLAGS: -I${SRCDIR}/../../capi
#include <stdlib.h>
#include "link.h"
*/
import "C"

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"
	"unsafe"
)

// version is set by the linker; front and core of different releases refuse
// each other.
var version = "unknown"

// versionC is the version as C sees it, made once.
var versionC = sync.OnceValue(func() *C.char { return C.CString(version) })

// links finds the connection of a link. The C ABI knows it by its address.
var links sync.Map // *C.struct_link -> *conn

func main() {}

//export romanesco_version
func romanesco_version() *C.char { return versionC() }

// romanesco_connect connects, does the handshake, and returns 1, or 0 with
// the reason in link.error. From then on the core owns its half of the link
// until romanesco_close.
//
//export romanesco_connect
func romanesco_connect(l *C.struct_link, cfg *C.struct_link_config) (ok C.int) {
	v := view(l)
	defer func() {
		if r := recover(); r != nil {
			v.down(fmt.Errorf("internal error: %v", r))
			ok = 0
		}
	}()
	setMemoryHabits()
	c, err := open(v, settingsOf(cfg))
	if err != nil {
		v.down(err)
		return 0
	}
	links.Store(l, c)
	return 1
}

// romanesco_close writes what has been accepted, for at most timeoutMS, and
// ends the connection. Afterwards the core does not touch the link. It returns
// 1 when everything was written.
//
//export romanesco_close
func romanesco_close(l *C.struct_link, timeoutMS C.uint32_t) (ok C.int) {
	defer func() {
		if recover() != nil {
			ok = 0
		}
	}()
	c, found := links.LoadAndDelete(l)
	if !found {
		return 0
	}
	if c.(*conn).close(time.Duration(timeoutMS) * time.Millisecond) {
		return 1
	}
	return 0
}

// setMemoryHabits keeps the heap near what is in use: the host is the one who
// is to have the memory. An operator who has set GOGC keeps his setting.
var setMemoryHabits = sync.OnceFunc(func() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(50)
	}
})

// settings is struct link_config, copied.
type settings struct {
	peer, class    string
	socket         int
	toCore, toHost int
	requests       []byte
	cache, debug   bool
	timeout        time.Duration
}

func settingsOf(c *C.struct_link_config) settings {
	s := settings{
		socket: int(c.socket), toCore: int(c.to_core), toHost: int(c.to_host),
		requests: C.GoBytes(unsafe.Pointer(c.requests), C.int(c.requests_len)),
		cache:    c.use_cache != 0,
		debug:    c.debug != 0,
		timeout:  time.Duration(c.timeout_ms) * time.Millisecond,
	}
	if c.peer != nil {
		s.peer = C.GoString(c.peer)
	}
	if c.class_name != nil {
		s.class = C.GoString(c.class_name)
	}
	return s
}

// farRecord copies a record to memory that the host frees.
func farRecord(rec []byte) unsafe.Pointer { return C.CBytes(rec) }

func freeFar(p unsafe.Pointer) { C.free(p) }
