// Sends pings and prints the pongs that come back, as ping.c does, from Go by way of the
// C library: ping [host:port [count]]
//
//	CGO_CFLAGS="$(broccoli-config --cflags)" CGO_LDFLAGS="$(broccoli-config --libs)" go build
//
// A program that is Go alone does without C: see docs/go.md.
package main

/*
#include <romanesco.h>
#include <stdlib.h>

void onPong(BroConn *bc, void *user_data, BroEvMeta *meta);
*/
import "C"

import (
	"fmt"
	"os"
	"runtime/cgo"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// pongs is what the handler has counted.
type pongs struct{ n int }

// onPong gets all arguments at once: functions that get them one by one have a variable
// number of parameters, which Go has not.
//
//export onPong
func onPong(_ *C.BroConn, userData unsafe.Pointer, meta *C.BroEvMeta) {
	p := (*(*cgo.Handle)(userData)).Value().(*pongs)
	args := unsafe.Slice(meta.ev_args, meta.ev_numargs)
	if len(args) != 3 || args[0].arg_type != C.BRO_TYPE_TIME || args[1].arg_type != C.BRO_TYPE_TIME ||
		args[2].arg_type != C.BRO_TYPE_COUNT {
		fmt.Fprintln(os.Stderr, "a pong with other arguments")
		return
	}
	sent, there := *(*C.double)(args[0].arg_data), *(*C.double)(args[1].arg_data)
	seq := *(*C.uint64)(args[2].arg_data)
	now := C.bro_util_current_time()
	fmt.Printf("pong %d: %.6f s there, %.6f s there and back\n", seq, float64(there-sent), float64(now-sent))
	p.n++
}

func sendPing(conn *C.BroConn, seq uint64) error {
	name := C.CString("ping")
	defer C.free(unsafe.Pointer(name))
	ev := C.bro_event_new(name)
	defer C.bro_event_free(ev)
	now, n := C.bro_util_current_time(), C.uint64(seq)
	C.bro_event_add_val(ev, C.BRO_TYPE_TIME, nil, unsafe.Pointer(&now))
	C.bro_event_add_val(ev, C.BRO_TYPE_COUNT, nil, unsafe.Pointer(&n))
	if C.bro_event_send(conn, ev) == 0 {
		return fmt.Errorf("could not send ping %d: %s", seq, C.GoString(C.bro_event_error(conn)))
	}
	return nil
}

// waitInput waits for input, at most until the deadline, and processes it.
func waitInput(conn *C.BroConn, until time.Time) {
	fd := int(C.bro_conn_get_fd(conn))
	if fd < 0 {
		return
	}
	var set syscall.FdSet
	set.Bits[fd/64] |= 1 << (fd % 64)
	left := syscall.NsecToTimeval(max(time.Until(until), 0).Nanoseconds())
	// Go interrupts system calls now and then (EINTR): the caller asks again.
	if n, err := syscall.Select(fd+1, &set, nil, nil, &left); err == nil && n > 0 {
		C.bro_conn_process_input(conn)
	}
}

func run(peer string, count int) error {
	C.bro_init(nil)
	address, name := C.CString(peer), C.CString("pong")
	defer C.free(unsafe.Pointer(address))
	defer C.free(unsafe.Pointer(name))
	conn := C.bro_conn_new_str(address, C.BRO_CFLAG_NONE)
	if conn == nil {
		return fmt.Errorf("no handle for %s", peer)
	}
	defer C.bro_conn_delete(conn)

	// C keeps the pointer that it is given, so that it points to memory of C.
	var seen pongs
	handle := (*cgo.Handle)(C.malloc(C.size_t(unsafe.Sizeof(cgo.Handle(0)))))
	defer C.free(unsafe.Pointer(handle))
	*handle = cgo.NewHandle(&seen)
	defer handle.Delete()
	C.bro_event_registry_add_compact(conn, name, C.BroCompactEventFunc(C.onPong), unsafe.Pointer(handle))

	if C.bro_conn_connect(conn) == 0 {
		return fmt.Errorf("could not connect to %s: %s", peer, C.GoString(C.bro_conn_error(conn)))
	}
	for i := range make([]struct{}, count) {
		if err := sendPing(conn, uint64(i)); err != nil {
			return err
		}
		for until := time.Now().Add(10 * time.Second); seen.n <= i && time.Now().Before(until); {
			waitInput(conn, until)
		}
	}
	if seen.n != count {
		return fmt.Errorf("%d of %d pongs have come", seen.n, count)
	}
	return nil
}

func main() {
	peer, count := "localhost:47757", 3
	if len(os.Args) > 1 {
		peer = os.Args[1]
	}
	if len(os.Args) > 2 {
		count, _ = strconv.Atoi(os.Args[2])
	}
	if err := run(peer, count); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
