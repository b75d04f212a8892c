"""
Calls C functions that call back into Python.

A Python handler of a signal runs wherever the main thread next runs Python. If that is the first
step of a function that C has called, an exception of the handler, such as KeyboardInterrupt, has
nobody above it but ctypes, which prints and drops it, together with what the function was to do.
So no signal comes to the main thread meanwhile. The kernel keeps it until afterwards.
"""

from __future__ import annotations

import ctypes
import signal
import threading
from typing import Any, Callable

# What the processor raises cannot wait.
_FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS,
           signal.SIGABRT}

_Mask = ctypes.c_uint64 * 16  # sigset_t
_libc = ctypes.CDLL(None)
_pthread_sigmask = _libc.pthread_sigmask
_pthread_sigmask.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]


def _all_but_faults() -> ctypes.Array:
    mask = _Mask()
    _libc.sigfillset(mask)
    for number in _FAULTS:
        _libc.sigdelset(mask, ctypes.c_int(number))
    return mask


_ALL = _all_but_faults()
# signal.pthread_sigmask() makes a set of enums, which takes longer than reading an event.
_BLOCK, _SETMASK = int(signal.SIG_BLOCK), int(signal.SIG_SETMASK)


def without_signals(function: Callable[..., Any], *args: Any) -> Any:
    """Calls the function with no signal open on the thread, if Python's handlers run there."""
    if threading.get_ident() != threading.main_thread().ident:
        return function(*args)
    before = _Mask()
    _pthread_sigmask(_BLOCK, None, before)
    try:
        _pthread_sigmask(_BLOCK, _ALL, None)
        return function(*args)
    finally:
        _pthread_sigmask(_SETMASK, before, None)
