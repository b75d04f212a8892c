"""
The functions that the old module had from its part in C, for scripts that call them.

A connection is what bro_conn_new_str() returns, or bc of a Connection. A value is a pair of a
BRO_TYPE_* and what is in it, as internalVal() returns it.
"""

from __future__ import annotations

from typing import Any, Callable

from . import _write
from . import constants as c
from ._handle import Handle
from ._library import lib


class _Plain(Handle):
    """A handle that has its own handlers, which get pairs."""

    def __init__(self, pointer: int | None) -> None:
        super().__init__(pointer)
        self.handlers: dict[str, list[Callable[..., Any]]] = {}


def bro_init(_ctx: None = None) -> int:
    return lib.bro_init(None)


def bro_util_current_time() -> float:
    return lib.bro_util_current_time()


def bro_conn_new_str(hostname: str, flags: int) -> Handle:
    return _Plain(lib.bro_conn_new_str(_write.name(hostname), flags | c.BRO_CFLAG_YIELD))


def bro_conn_set_class(bc: Handle, classname: str) -> None:
    bc.call(lib.bro_conn_set_class, _write.name(classname))


def bro_conn_connect(bc: Handle) -> int:
    return bc.call(lib.bro_conn_connect)


def bro_conn_alive(bc: Handle) -> int:
    return bc.call(lib.bro_conn_alive)


def bro_conn_get_fd(bc: Handle) -> int:
    return bc.call(lib.bro_conn_get_fd)


def bro_conn_delete(bc: Handle) -> int:
    return int(bc.close())


def bro_event_queue_length(bc: Handle) -> int:
    return bc.call(lib.bro_event_queue_length)


def bro_event_new(event_name: str) -> int | None:
    return lib.bro_event_new(_write.name(event_name))


def bro_event_free(be: int) -> None:
    lib.bro_event_free(be)


def bro_event_add_val(be: int, pair: tuple) -> int:
    _write.value(pair, lambda *val: lib.bro_event_add_val(be, *val))
    return 1


def bro_event_send(bc: Handle, be: int) -> int:
    return bc.call(lib.bro_event_send, be)


def bro_event_registry_add_compact(bc: Handle, event_name: str, func: Callable[..., Any]) -> None:
    """Has func called with a pair for each argument, by bro_conn_process_input()."""
    if not isinstance(bc, _Plain):
        raise TypeError("the events of a Connection go by its subscribe() and processInput()")
    bc.handlers.setdefault(event_name, []).append(func)
    bc.register(event_name, _write.name(event_name))


def bro_conn_process_input(bc: Handle) -> int:
    if not isinstance(bc, _Plain):
        raise TypeError("the events of a Connection go by its subscribe() and processInput()")
    some = 0
    while (arrived := bc.pull()) is not None:
        some = 1
        for func in list(bc.handlers.get(arrived.name, ())):
            func(*arrived.args)
    return some
