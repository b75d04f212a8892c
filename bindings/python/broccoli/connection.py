"""Connections."""

from __future__ import annotations

import select
import socket
import time
from typing import Any, AsyncIterator, Callable, Iterator

from . import _aio, _read, _write, events
from . import constants as c
from ._handle import Handle
from ._library import lib
from .errors import ClosedError, ConnectError, SendError
from .values import pair

_RETRIES = c.BRO_CFLAG_RECONNECT | c.BRO_CFLAG_BACKGROUND
# Seconds after which a wait looks again: another thread may have connected anew, or closed.
_LOOK = 0.25


class Connection:
    """
    A connection to "host:port", or to a Zeek at "ws://host:port". ConnectError says why there is none.

    It is closed by close(), at the end of a with, or when nobody refers to it any more. A child of
    fork() that uses it has a connection of its own to the same peer.
    """

    def __init__(self, destination: str, broclass: str = "",
                 flags: int = c.BRO_CFLAG_RECONNECT | c.BRO_CFLAG_ALWAYS_QUEUE, connect: bool = True) -> None:
        self._begin(lib.bro_conn_new_str(_write.name(destination), flags | c.BRO_CFLAG_YIELD),
                    destination, broclass, flags, connect)

    @classmethod
    def from_socket(cls, sock: socket.socket, broclass: str = "", flags: int = c.BRO_CFLAG_NONE,
                    connect: bool = True) -> Connection:
        """A connection over a stream socket that is connected already, by either side. It takes the socket."""
        self = cls.__new__(cls)
        self._begin(lib.bro_conn_new_socket(sock.detach(), flags | c.BRO_CFLAG_YIELD), "a socket", broclass, flags,
                    connect)
        return self

    def _begin(self, pointer: int | None, destination: str, broclass: str, flags: int, connect: bool) -> None:
        self.bc = Handle(pointer)
        self.destination = destination
        self.flags = flags
        self._handlers: dict[str, list[events.Handler]] = {}
        self._dispatching = 0
        self._keep_unset = _is_zeek(destination)
        for handler in events.declared:
            self._register(handler)
        if broclass:
            self.bc.call(lib.bro_conn_set_class, _write.name(broclass))
        if connect:
            self.connect()

    # --- Its state --------------------------------------------------------------------------

    def connect(self) -> None:
        """
        Connects, which takes up to 10 seconds, or raises ConnectError.

        With BRO_CFLAG_RECONNECT the library goes on trying all the same, as long as this object is
        there. With BRO_CFLAG_BACKGROUND it does so from the start, and nobody waits.
        """
        if not self.bc.call(lib.bro_conn_connect) and not self.flags & c.BRO_CFLAG_BACKGROUND:
            raise ConnectError(f"cannot connect to {self.destination}: {self.error}")

    def connAlive(self) -> bool:
        return self.bc.call(lib.bro_conn_alive) == 1

    @property
    def alive(self) -> bool:
        """Whether the connection is up."""
        return not self.bc.closed and self.connAlive()

    @property
    def error(self) -> str:
        """Why the connection is not up, "" while it is."""
        return _read.text(self.bc.call(lib.bro_conn_error))

    @property
    def peer_class(self) -> str | None:
        """What the peer calls its class; None while there was no connection."""
        said = self.bc.call(lib.bro_conn_get_peer_class)
        return None if said is None else _read.text(said)

    def fileno(self) -> int:
        """A descriptor that is readable when processInput() has something to do; -1 without a connection."""
        return self.bc.call(lib.bro_conn_get_fd)

    def connDelete(self) -> bool:
        """close(), by its old name."""
        return self.bc.close()

    def close(self) -> None:
        """Sends what was accepted, for at most 5 seconds, and ends the connection. Again does no harm."""
        self.bc.close()

    @property
    def closed(self) -> bool:
        return self.bc.closed

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # --- Sending ----------------------------------------------------------------------------

    def send(self, name: str, *args: Any) -> None:
        """
        Handles what has arrived, and sends an event; SendError says why it was not accepted.

        It is sent also if a handler raises. An answer to it is not handled yet: scripts get ready for
        that behind the call.
        """
        try:
            # Handlers that send are not to run each other, one within the other.
            if not self._dispatching:
                self.processInput()
        finally:
            self._send(name, args)

    def _send(self, name: str, args: tuple) -> None:
        event = lib.bro_event_new(_write.name(name))
        if not event:
            raise ValueError(f"{name!r} cannot be the name of an event")
        try:
            self._add_all(name, event, args)
            if not self.bc.call(lib.bro_event_send, event):
                raise SendError(f"{name} was not sent: {_read.text(self.bc.call(lib.bro_event_error))}")
        finally:
            lib.bro_event_free(event)

    def _add_all(self, name: str, event: int, args: tuple) -> None:
        for i, arg in enumerate(args):
            try:
                _write.value(pair(arg), lambda *val: lib.bro_event_add_val(event, *val), self._keep_unset)
            except (TypeError, ValueError) as e:
                raise type(e)(f"argument {i + 1} of {name}: {e}") from None

    def flush(self) -> int:
        """Waits, for at most a second, until the kernel has what was sent; returns how many events it has not."""
        return self.bc.call(lib.bro_event_queue_flush)

    # --- Receiving --------------------------------------------------------------------------

    def subscribe(self, event_name: str, callback: Callable[..., Any] | None = None, types: events.Types = ()) -> None:
        """
        Has callback called for the events of a name; without one they are for who iterates.

        types are those of @event, or Val for all arguments with the types that they came with.
        """
        self._register(events.Handler(event_name, callback, types))
        if self.connAlive():
            self.bc.call(lib.bro_event_registry_request)

    def _register(self, handler: events.Handler) -> None:
        self._handlers.setdefault(handler.event_name, []).append(handler)
        self.bc.register(handler.event_name, _write.name(handler.event_name))

    def processInput(self) -> bool:
        """
        Calls the handlers of all events that have arrived; of one with BRO_CFLAG_YIELD.

        An exception of a handler comes out here, and the next call goes on with the next event.
        Returns whether the queue has events that wait to be sent.
        """
        while (arrived := self.bc.pull()) is not None:
            self.bc.left.extend(self._dispatch(arrived))
            if self.flags & c.BRO_CFLAG_YIELD:
                break
        return self.bc.call(lib.bro_event_queue_length) > 0

    def _dispatch(self, arrived: _read.Arrived) -> list[events.Event]:
        """Calls the handlers of an event, and returns what is left for those who iterate."""
        left = []
        self._dispatching += 1
        try:
            for handler in list(self._handlers.get(arrived.name, ())):
                args = handler.arguments(arrived)
                if handler.function:
                    handler.function(*args)
                else:
                    left.append(events.Event(arrived.name, args, arrived.time))
        finally:
            self._dispatching -= 1
        return left

    def take(self) -> events.Event | None:
        """
        The next event that has arrived and was subscribed to without a callback, or None.

        Handlers of others that come before it are called.
        """
        while not self.bc.left:
            arrived = self.bc.pull()
            if arrived is None:
                return None
            self.bc.left.extend(self._dispatch(arrived))
        return self.bc.left.popleft()

    @property
    def ended(self) -> bool:
        """Whether nothing more comes: it is closed, or lost and nobody tries again."""
        return self.bc.closed or (self.fileno() < 0 and not self.flags & _RETRIES)

    def wait(self, timeout: float | None = None) -> bool:
        """
        Waits until processInput() has something to do, and returns whether it has.

        Signals are handled meanwhile. It also returns when the connection has ended.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while not self.bc.left and not self.ended:
            left = _LOOK if end is None else min(_LOOK, max(0.0, end - time.monotonic()))
            if _readable(self.fileno(), left):
                return True
            if end is not None and time.monotonic() >= end:
                return False
        return bool(self.bc.left)

    def __iter__(self) -> Iterator[events.Event]:
        """The events that are subscribed to without a callback, until the connection has ended."""
        while True:
            try:
                event = self.take()
            except ClosedError:
                return
            if event is not None:
                yield event
            elif self.ended:
                return
            else:
                self.wait()

    def __aiter__(self) -> AsyncIterator[events.Event]:
        return _aio.Events(self)

    async def __aenter__(self) -> Connection:
        await _aio.in_thread(self.connect)
        return self

    async def __aexit__(self, *_: Any) -> None:
        await _aio.in_thread(self.close)


def _is_zeek(destination: str) -> bool:
    """Whether the fields of a record go by their place, as in Zeek's JSON, and not by their names."""
    if destination.startswith(("ws://", "wss://")):
        return True
    return lib.bro_conf_get_str(b"/broccoli/transport") == b"zeek-websocket"


def _readable(fd: int, timeout: float) -> bool:
    if fd < 0:
        time.sleep(timeout)
        return False
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return any(what & select.POLLIN for _, what in poll.poll(timeout * 1000))


def current_time() -> float:
    """The system's clock, in seconds since the epoch."""
    return lib.bro_util_current_time()
