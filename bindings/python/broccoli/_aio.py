"""Connections in asyncio."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Callable

from .errors import ClosedError

if TYPE_CHECKING:
    from .connection import Connection
    from .events import Event

# Seconds after which a wait looks again, as in connection.py.
_LOOK = 0.25
# A stream of events that never ends lets other tasks run after so many.
_AT_ONCE = 64


async def in_thread(function: Callable[[], Any]) -> Any:
    """For calls that wait for the peer."""
    return await asyncio.get_running_loop().run_in_executor(None, function)


class Events:
    """
    The events of a connection. An event is taken only when it is handed out, and nothing is awaited
    in between: a task that is cancelled loses none.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._at_once = 0

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        self._at_once = (self._at_once + 1) % _AT_ONCE
        if self._at_once == 0:
            await asyncio.sleep(0)
        while True:
            try:
                event = self._connection.take()
            except ClosedError:
                raise StopAsyncIteration from None
            if event is not None:
                return event
            if self._connection.ended:
                raise StopAsyncIteration
            await _readable(self._connection.fileno())


async def _readable(fd: int) -> None:
    """
    Waits until the descriptor is readable, for a moment at the most.

    The loop gets a copy: the library closes its own when the connection is lost.
    """
    if fd < 0:
        return await asyncio.sleep(_LOOK)
    loop = asyncio.get_running_loop()
    ready: asyncio.Future = loop.create_future()
    copy = os.dup(fd)
    try:
        loop.add_reader(copy, _resolve, ready)
        await asyncio.wait({ready}, timeout=_LOOK)
    finally:
        loop.remove_reader(copy)
        os.close(copy)
        ready.cancel()


def _resolve(ready: asyncio.Future) -> None:
    if not ready.done():
        ready.set_result(None)
