// What the runtime of the core does in place of what the overlay has taken away.
// Part of package runtime in the build of the core alone.

package runtime

import (
	"internal/abi"
	"internal/runtime/atomic"
	"unsafe"
)

// _cgo_guest_args is the vector that guest_linux.c has filled.
//
//go:linkname _cgo_guest_args _cgo_guest_args
var _cgo_guest_args unsafe.Pointer

// guestArgs returns arguments, environment and auxiliary vector of our own. The
// host may have overwritten its own: to rename itself, to clear its environment.
func guestArgs() (int32, **byte) {
	return 1, (**byte)(_cgo_guest_args)
}

// guestFlags are the flags that a handler had before the core took its signal over.
var guestFlags [_NSIG]uint64

const (
	guestNoDefer   = 0x40000000
	guestResetHand = 0x80000000
)

// guestSetsig takes a signal over for faults of Go's own threads. A handler of
// the host is run with the mask and the flags that it was installed with, but on
// the alternate stack, if its thread has one: Go's threads need that.
//
//go:nosplit
//go:nowritebarrierrec
func guestSetsig(sig uint32) {
	var before, sa sigactiont
	sigaction(sig, nil, &before)
	guestFlags[sig] = before.sa_flags
	sa.sa_flags = _SA_SIGINFO | _SA_ONSTACK | _SA_RESTORER | before.sa_flags&(_SA_RESTART|guestNoDefer)
	sa.sa_mask = before.sa_mask
	if GOARCH == "amd64" {
		sa.sa_restorer = abi.FuncPCABI0(sigreturn__sigaction)
	}
	sa.sa_handler = abi.FuncPCABI0(cgoSigtramp)
	sigaction(sig, &sa, nil)
}

// guestSignal deals with a signal that came to a thread of the host, and reports
// whether it was one. It touches nothing but the library's own data: in a child
// of fork() there is no heap of Go's, and nobody else to ask.
//
//go:nosplit
//go:nowritebarrierrec
func guestSignal(sig uint32, info *siginfo, ctx unsafe.Pointer) bool {
	if getg() != nil || sig >= _NSIG {
		return false
	}
	handler, flags := atomic.Loaduintptr(&fwdSig[sig]), guestFlags[sig]
	if handler != _SIG_DFL && handler != _SIG_IGN {
		if flags&guestResetHand != 0 {
			guestDefault(sig)
		}
		sigfwd(handler, sig, info, ctx)
		return true
	}
	c := &sigctxt{info, ctx}
	if !c.sigFromUser() {
		guestDefault(sig) // the fault happens again, and is not ours any more
		return true
	}
	if handler == _SIG_DFL {
		guestDefault(sig)
		unblocksig(sig)
		raise(sig)
	}
	return true
}

// guestDefault gives a signal back its default action.
//
//go:nosplit
//go:nowritebarrierrec
func guestDefault(sig uint32) {
	var sa sigactiont
	sigaction(sig, &sa, nil)
}
