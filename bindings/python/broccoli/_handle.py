"""
A BroConn, which is deleted when nobody uses it any more, and its events, one by one.

A call and the deletion may come from several threads, and from a handler of a signal in between.
Each call notes itself in a set; who finds the handle closed and the set empty deletes it, and only
one can take the pointer. That needs no lock, which a signal's handler could find taken.
"""

from __future__ import annotations

import collections
import os
import weakref
from typing import Any, Callable

from . import _read
from ._library import EventCallback, lib
from ._signals import without_signals
from .errors import BroccoliError, ClosedError


class Handle:
    def __init__(self, pointer: int | None) -> None:
        if not pointer:
            raise BroccoliError("a connection cannot be made: there is no peer, or memory is short")
        self._pointers = [pointer]
        self._users: set = set()
        self._closed = False
        self._process = os.getpid()
        self._names: set[str] = set()
        self._arrived: collections.deque = collections.deque()
        self._left: collections.deque = collections.deque()
        self._callback = EventCallback(_collector(self._arrived))
        # At exit() the library sends what waits for all handles together.
        weakref.finalize(self, _delete, self._pointers, self._callback).atexit = False

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def left(self) -> collections.deque:
        """Where the owner keeps what it has pulled for later."""
        self._look()
        return self._left

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Calls the function of the library with the handle; ClosedError if that is gone."""
        self._look()
        user = object()
        try:
            self._users.add(user)
            if self._closed:
                raise ClosedError
            return function(self._pointers[0], *args)
        finally:
            self._users.discard(user)
            if self._closed:
                self._delete_unused()

    def close(self) -> bool:
        """Returns whether it was open."""
        self._look()
        was_open, self._closed = not self._closed, True
        self._delete_unused()
        return was_open

    def register(self, event_name: str, encoded: bytes) -> None:
        """From here on, events of the name are pulled."""
        if event_name in self._names:
            return
        self._names.add(event_name)
        self.call(lib.bro_event_registry_add_compact, encoded, self._callback, None)

    def pull(self) -> _read.Arrived | None:
        """
        Takes the next event that has arrived. The handle is to have BRO_CFLAG_YIELD.

        No handler of Python runs within the library: it would be left by an exception, or could fork.
        """
        while not self._arrived and self.call(_process_input):
            pass
        try:
            arrived = self._arrived.popleft()
        except IndexError:
            return None
        if isinstance(arrived, BaseException):
            raise arrived
        return arrived

    def _look(self) -> None:
        """In a child of fork() calls and events of the parent's other threads are not ours."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._users.clear()
            self._arrived.clear()
            self._left.clear()

    def _delete_unused(self) -> None:
        if not self._users:
            _delete(self._pointers, self._callback)

    def __reduce__(self) -> Any:
        raise TypeError("a connection cannot be sent to another process: make it there")


def _process_input(pointer: int) -> int:
    return without_signals(lib.bro_conn_process_input, pointer)


def _collector(arrived: collections.deque) -> Callable[..., None]:
    def collect(_pointer: int, _user_data: Any, meta: int) -> None:
        try:
            arrived.append(_read.event(meta))
        except BaseException as e:  # it has nobody above it: pull() raises it
            arrived.append(e)
    return collect


def _delete(pointers: list, _callback: Any) -> None:
    """_callback has to be there until the end."""
    try:
        pointer = pointers.pop()
    except IndexError:
        return
    lib.bro_conn_delete(pointer)
