"""
Values of C, as pairs of a type and what is in it: the form between ctypes and values.py.

Numbers are int and float, texts bytes, a port is (number, protocol), an address one or four words in
network byte order, a subnet (address, width), an enum (number, None): the library does not tell the
name of its type. A record is a list of (name, pair), a vector and the index of a table or set a list
of pairs, a set a list of pairs, a table a list of (pair, pair).
"""

from __future__ import annotations

from ctypes import byref, c_double, c_int, c_int64, c_uint32, c_uint64, c_void_p, string_at
from typing import Any, Callable, NamedTuple

from . import constants as c
from ._library import Addr, Arg, Meta, Port, SetCallback, String, Subnet, TableCallback, lib

Pair = tuple  # (type, payload)

UNSET: Pair = (c.BRO_TYPE_UNKNOWN, None)
MAPPED_PREFIX = b"\0" * 10 + b"\xff\xff"


class Arrived(NamedTuple):
    """An event as it came."""

    name: str
    time: float
    args: list


def event(meta: int) -> Arrived:
    m = Meta.from_address(meta)
    args = (Arg * m.numargs).from_address(m.args) if m.numargs else ()
    return Arrived(text(m.name), m.time, [value(arg.type, arg.data) for arg in args])


def text(data: bytes) -> str:
    """Bytes of a peer's as text; what is no UTF-8 comes back as it was by bytes_of() in _write.py."""
    return data.decode("utf-8", "surrogateescape")


def value(type_: int, at: int | None) -> Pair:
    if not at:
        return UNSET
    read = _READERS.get(type_)
    if read is None:
        raise ValueError(f"a value of type {type_} came, for which the library has no form")
    return type_, read(at)


def _bool(at: int) -> bool:
    return c_int.from_address(at).value != 0


def _int(at: int) -> int:
    return c_int64.from_address(at).value


def _count(at: int) -> int:
    return c_uint64.from_address(at).value


def _double(at: int) -> float:
    return c_double.from_address(at).value


def _string(at: int) -> bytes:
    data = c_void_p.from_address(at + String.val.offset).value
    return string_at(data, c_uint32.from_address(at).value) if data else b""


def _enum(at: int) -> tuple:
    return _count(at), None


def _port(at: int) -> tuple:
    port = Port.from_address(at)
    return port.num, port.proto


def _addr(at: int) -> tuple:
    words = tuple(Addr.from_address(at).words)
    return words[3:] if string_at(at, len(MAPPED_PREFIX)) == MAPPED_PREFIX else words


def _subnet(at: int) -> tuple:
    return _addr(at + Subnet.net.offset), Subnet.from_address(at).width


def _members(length: int, nth: Callable, at: int) -> list:
    type_, members = c_int(), []
    for i in range(length):
        type_.value = c.BRO_TYPE_UNKNOWN
        member = nth(at, i, byref(type_))
        members.append(value(type_.value, member))
    return members


def _list(at: int) -> list:
    return _members(lib.bro_record_get_length(at), lib.bro_record_get_nth_val, at)


def _record(at: int) -> list:
    return [(text(lib.bro_record_get_nth_name(at, i)), field) for i, field in enumerate(_list(at))]


def _vector(at: int) -> list:
    return _members(lib.bro_vector_get_length(at), lib.bro_vector_get_nth_val, at)


def _set(at: int) -> list:
    type_, found = c_int(), []
    lib.bro_set_get_type(at, byref(type_))

    def note(member: int, _data: Any) -> int:
        found.append(member)
        return 1

    lib.bro_set_foreach(at, SetCallback(note), None)
    return [value(type_.value, member) for member in found]


def _table(at: int) -> list:
    key_type, val_type, found = c_int(), c_int(), []
    lib.bro_table_get_types(at, byref(key_type), byref(val_type))

    def note(key: int, val: int, _data: Any) -> int:
        found.append((key, val))
        return 1

    lib.bro_table_foreach(at, TableCallback(note), None)
    return [(value(key_type.value, key), value(val_type.value, val)) for key, val in found]


_READERS: dict[int, Callable[[int], Any]] = {
    c.BRO_TYPE_BOOL: _bool,
    c.BRO_TYPE_INT: _int,
    c.BRO_TYPE_COUNT: _count,
    c.BRO_TYPE_COUNTER: _count,
    c.BRO_TYPE_DOUBLE: _double,
    c.BRO_TYPE_TIME: _double,
    c.BRO_TYPE_INTERVAL: _double,
    c.BRO_TYPE_STRING: _string,
    c.BRO_TYPE_PATTERN: _string,
    c.BRO_TYPE_FUNC: _string,
    c.BRO_TYPE_FILE: _string,
    c.BRO_TYPE_ENUM: _enum,
    c.BRO_TYPE_PORT: _port,
    c.BRO_TYPE_IPADDR: _addr,
    c.BRO_TYPE_SUBNET: _subnet,
    c.BRO_TYPE_RECORD: _record,
    c.BRO_TYPE_LIST: _list,
    c.BRO_TYPE_VECTOR: _vector,
    c.BRO_TYPE_SET: _set,
    c.BRO_TYPE_TABLE: _table,
}
