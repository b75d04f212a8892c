// Package main is libbroccoli-core.so: the core within the process of the host. The front
// (capi) loads it on the first connect. It is the only room where Go and C meet. Its
// functions are called on threads of the front's own, never on one of the host's.
package main

/*
#cgo LDFLAGS: -Wl,--wrap=pthread_key_create
#include <stdlib.h>
#include "core_call.h"

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
	"errors"
	"time"
	"unsafe"

	"github.com/romanesco-broccoli/romanesco/internal/library/core"
	"github.com/romanesco-broccoli/romanesco/internal/library/ring"
	"github.com/romanesco-broccoli/romanesco/internal/library/shared"
	"github.com/romanesco-broccoli/romanesco/internal/library/spool"
)

// all has the connections. The C ABI knows each by the address of its link.
var all = core.Core{Version: C.GoString(C.release())}

func main() {}

// romanesco_connect connects, or connects anew, does the handshake, and returns
// LINK_CONNECTED; otherwise the reason is in link.error, and it returns LINK_TRYING
// when it goes on in the background, or LINK_REFUSED. The state of the link says
// the same. The core owns its half of the link from then on until romanesco_close.
//
//export romanesco_connect
func romanesco_connect(r *C.struct_core_request) C.int {
	core.Behave()
	m := memoryOf(r.memory)
	s, err := core.ParseSettings(unsafe.Slice((*byte)(unsafe.Pointer(r.settings)), r.settings_len))
	if err != nil {
		return C.int(core.Refuse(m, err))
	}
	s.Wake(int(r.to_core), int(r.to_host), int(r.socket))
	s.LogTo((*uint32)(unsafe.Pointer(r.log)))
	return C.int(all.Connect(m, s))
}

// romanesco_close writes what connections have accepted, for at most timeoutMS
// in all, and ends them. Afterwards the core does not touch their links. It returns
// 1 when everything was written.
//
//export romanesco_close
func romanesco_close(first *C.struct_core_memory, timeoutMS C.uint32_t) C.int {
	var links []core.Memory
	for m := first; m != nil; m = m.next {
		links = append(links, memoryOf(m))
	}
	if all.Close(time.Duration(timeoutMS)*time.Millisecond, links...) {
		return 1
	}
	return 0
}

func memoryOf(m *C.struct_core_memory) core.Memory {
	l := (*shared.Link)(unsafe.Pointer(m.link))
	return core.Memory{
		Link:  l,
		Out:   ring.New((*ring.Header)(unsafe.Pointer(m.out)), bytes(m.out_data, m.out_bytes)),
		In:    ring.New(&l.In, bytes(m.in_data, m.in_bytes)),
		Spool: (*spool.Header)(unsafe.Pointer(m.spool)),
		Far:   heap{},
	}
}

func bytes(p *C.uchar, n C.uint64_t) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(p)), n) }

// heap is how large records travel within one process: by their addresses.
type heap struct{}

var errNowhere = errors.New("a large record without address")

func (heap) Get(at, size uint64) ([]byte, error) {
	if at == 0 || size > shared.EventMax {
		return nil, errNowhere
	}
	return unsafe.Slice((*byte)(pointer(at)), size), nil
}

func (heap) Free(at, _ uint64) { C.free(pointer(at)) }

// Put copies a record to memory that the host frees.
func (heap) Put(rec []byte) (uint64, bool) {
	p := C.far_memory(C.size_t(len(rec))) // cgo's own malloc ends the process
	if p == nil {
		return 0, false
	}
	copy(unsafe.Slice((*byte)(p), len(rec)), rec)
	return uint64(uintptr(p)), true
}

func (h heap) Back(at, size uint64) { h.Free(at, size) }

// pointer is the address that a record has of memory of C's.
func pointer(at uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&at)) }
