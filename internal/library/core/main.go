// Package main is the core: libbroccoli-core.so, which the front (capi) loads
// on the first connect. It is the only room where Go and C meet: it takes
// records from the outbound ring to a peer, and a peer's events to the inbound
// ring. Its functions are called on threads of the front's own, never on one
// of the host's.
package main

/*
#cgo CFLAGS: -I${SRCDIR}/../../../capi
#cgo LDFLAGS: -Wl,--wrap=pthread_key_create
#include <stdlib.h>
#include "core_config.h"
#include "shared.h"

static const char *
release(void)
{
    extern const char romanesco_version[];

    return romanesco_version;
}

static void *
far_memory(size_t size)
{
    return malloc(size);
}
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"romanesco/internal/protocol/delivery"
	"romanesco/internal/protocol/zeek/websocket"
	"romanesco/internal/secure"
)

// links finds the connection of a link. The C ABI knows it by its address.
var links sync.Map // *C.struct_link -> *conn

func main() {}

// romanesco_connect connects, or connects anew, does the handshake, and returns
// LINK_CONNECTED; otherwise the reason is in link.error, and it returns LINK_TRYING
// when it goes on in the background, or LINK_REFUSED. The state of the link says
// the same. The core owns its half of the link from then on until romanesco_close.
//
//export romanesco_connect
func romanesco_connect(l *C.struct_link, cfg *C.struct_link_config) (result C.int) {
	v := view(l)
	defer func() {
		if r := recover(); r != nil {
			v.refuse(fmt.Errorf("internal error: %v", r))
			result = C.LINK_REFUSED
		}
	}()
	behave()
	switch err := connect(l, v, settingsOf(cfg), cfg.anew != 0); {
	case err == nil:
		return C.LINK_CONNECTED
	case v.is(C.LINK_RETRY):
		return C.LINK_TRYING
	default:
		return C.LINK_REFUSED
	}
}

func connect(l *C.struct_link, v *link, s settings, anew bool) error {
	var journal *delivery.Journal
	if found, ok := links.Load(l); ok {
		c := found.(*conn)
		if !c.disowned() {
			return c.again(s, anew)
		}
		links.Delete(l)
		c.close(0)
		journal = c.journal
		v.open()
	}
	c, err := openWith(v, s, journal)
	if c != nil {
		links.Store(l, c)
	}
	return err
}

// romanesco_close writes what n connections have accepted, for at most timeoutMS
// in all, and ends them. Afterwards the core does not touch their links. It returns
// 1 when everything was written.
//
//export romanesco_close
func romanesco_close(l **C.struct_link, n C.int, timeoutMS C.uint32_t) C.int {
	var all sync.WaitGroup
	var left atomic.Int32
	for _, l := range unsafe.Slice(l, n) {
		all.Go(func() {
			if !closeLink(l, time.Duration(timeoutMS)*time.Millisecond) {
				left.Add(1)
			}
		})
	}
	all.Wait()
	if left.Load() > 0 {
		return 0
	}
	return 1
}

func closeLink(l *C.struct_link, timeout time.Duration) (written bool) {
	defer func() {
		if recover() != nil {
			written = false
		}
	}()
	c, found := links.LoadAndDelete(l)
	if !found {
		return view(l).out.Empty()
	}
	return c.(*conn).close(timeout)
}

// behave makes the runtime a good guest; it runs once.
//
// The heap stays near what is in use: the host is the one who is to have the
// memory. An operator who has set GOGC keeps his setting. More than a few
// threads would not make us faster.
//
// The threads are started here, while that is possible: a host may give up the
// right to start any once it is connected, and a runtime that cannot start one
// when it wants to ends the process.
var behave = sync.OnceFunc(func() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(50)
	}
	procs := min(runtime.GOMAXPROCS(0), maxProcs)
	runtime.GOMAXPROCS(procs)
	var running, ended sync.WaitGroup
	release := make(chan struct{})
	for range procs + spareThreads {
		running.Add(1)
		ended.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			running.Done()
			<-release
		})
	}
	running.Wait()
	close(release)
	ended.Wait()
})

// With the runtime's own, these stay below THREADS of capi/preflight.c.
const (
	maxProcs     = 2
	spareThreads = 4
)

// settings is struct link_config, copied.
type settings struct {
	peer, class    string
	socket         int
	toCore, toHost int
	requests       []byte
	cache, debug   bool
	log            *uint32 // while it is not 0, the host takes messages itself; may be nil
	reconnect      bool
	background     bool // do not wait for the first attempt
	confirm        bool
	timeout, retry time.Duration
	silence        time.Duration    // 0: the peer may be silent for ever
	secure         *secure.Settings // nil: in the clear
	statsEach      time.Duration    // 0: no statistics
	statsFile      string           // "": where debugging goes
	refusedFile    string           // where events go that the peer refuses; "": nowhere
	zeek           *zeekSettings    // nil: the peer speaks Bro's protocol
	spool          spoolSettings
}

func settingsOf(c *C.struct_link_config) settings {
	s := settings{
		peer: text(c.peer), class: text(c.class_name),
		socket: int(c.socket), toCore: int(c.to_core), toHost: int(c.to_host),
		requests:    C.GoBytes(unsafe.Pointer(c.requests), C.int(c.requests_len)),
		cache:       c.use_cache != 0,
		debug:       c.debug != 0,
		log:         (*uint32)(unsafe.Pointer(c.log)),
		reconnect:   c.reconnect != 0 && c.socket < 0, // a socket that was given cannot be made anew
		background:  c.background != 0 && c.socket < 0,
		confirm:     c.confirm != 0,
		timeout:     time.Duration(c.timeout_ms) * time.Millisecond,
		retry:       time.Duration(c.retry_ms) * time.Millisecond,
		silence:     time.Duration(c.silence_ms) * time.Millisecond,
		statsEach:   time.Duration(c.stats_s) * time.Second,
		statsFile:   text(c.stats_file),
		refusedFile: text(c.refused_file),
		spool: spoolSettings{
			folder: text(c.spool_folder), max: int64(c.spool_max_bytes),
			sync: time.Duration(c.spool_sync_ms) * time.Millisecond,
		},
	}
	if c.use_tls != 0 {
		s.secure = &secure.Settings{
			CACert: text(c.ca_cert), HostCert: text(c.host_cert), HostKey: text(c.host_key),
			HostPass: text(c.host_pass), MinVersion: text(c.tls_min_version),
			RSAKeyExchange: c.tls_rsa_key_exchange != 0, PeerName: text(c.peer_name),
			Nameless: c.zeek != 0,
		}
	}
	if c.zeek != 0 {
		s.zeek = &zeekSettings{
			topic: text(c.zeek_topic), subscribe: text(c.zeek_subscribe), types: text(c.zeek_types),
			exactTime: c.zeek_exact_time != 0, zone: text(c.zeek_time_zone),
			confirm: websocket.Confirm(c.zeek_confirm), inbound: uint64(c.zeek_inbound),
		}
	}
	return s
}

func text(c *C.char) string {
	if c == nil {
		return ""
	}
	return C.GoString(c)
}

// application is what a Zeek is told of the program, and of us.
func application() string { return programName() + ":Romanesco/" + C.GoString(C.release()) }

// farRecord copies a record to memory that the host frees; nil when there is none.
func farRecord(rec []byte) unsafe.Pointer {
	p := C.far_memory(C.size_t(len(rec))) // cgo's own malloc ends the process
	if p != nil {
		copy(unsafe.Slice((*byte)(p), len(rec)), rec)
	}
	return p
}

func freeFar(p unsafe.Pointer) { C.free(p) }
