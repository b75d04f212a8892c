"""
Gives pairs of a type and what is in it (see _read.py) to a function of the library that copies them.

Such a function, add(type, name of the type, pointer), returns 0 if it does not take the value.
"""

from __future__ import annotations

import struct
from ctypes import byref, c_double, c_int, c_int64, c_uint64
from typing import Any, Callable

from . import constants as c
from ._library import Addr, Port, String, Subnet, lib
from ._read import MAPPED_PREFIX, UNSET, Pair

Add = Callable[..., int]

_MAPPED = struct.unpack("=3I", MAPPED_PREFIX)


def bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def name(text: str) -> bytes:
    """A name for C, where a NUL would end it."""
    if "\0" in text:
        raise ValueError(f"the name {text!r} has a NUL in it")
    return bytes_of(text)


def value(pair: Pair, add: Add, keep_unset: bool = False) -> None:
    """keep_unset: fields of a record that are None are sent as not set, not left out."""
    type_, payload = pair
    if type_ == c.BRO_TYPE_UNKNOWN:
        return _added(type_, add(type_, None, None))
    write = _WRITERS.get(type_)
    if write is None:
        raise ValueError(f"a value of type {type_} cannot be sent")
    write(type_, payload, add, keep_unset)


def _added(type_: int, ok: int) -> None:
    if not ok:
        raise ValueError(f"the library does not take the value of type {type_}: it is out of range, of another "
                         "type than the others in its container, nested too deeply, or memory is short")


def _plain(kind: Callable[[Any], Any]) -> Callable[..., None]:
    def write(type_: int, payload: Any, add: Add, _keep_unset: bool) -> None:
        _added(type_, add(type_, None, byref(kind(payload))))
    return write


def _string(payload: bytes) -> String:
    return String(len(payload), payload)


def _port(payload: tuple) -> Port:
    return Port(*payload)


def _addr(words: tuple) -> Addr:
    return Addr(words if len(words) == 4 else (*_MAPPED, *words))


def _subnet(payload: tuple) -> Subnet:
    net, width = payload
    return Subnet(_addr(net), width)


def _enum(type_: int, payload: tuple, add: Add, _keep_unset: bool) -> None:
    number, type_name = payload
    _added(type_, add(type_, None if type_name is None else name(type_name), byref(c_uint64(number))))


def _record(type_: int, fields: list, add: Add, keep_unset: bool) -> None:
    record = lib.bro_record_new()
    try:
        for field_name, field in fields:
            if field is not None or keep_unset:
                _field(record, name(field_name), UNSET if field is None else field, keep_unset)
        _added(type_, add(type_, None, record))
    finally:
        lib.bro_record_free(record)


def _field(record: int, field_name: bytes, field: Pair, keep_unset: bool) -> None:
    value(field, lambda *val: lib.bro_record_add_val(record, field_name, *val), keep_unset)


def _list(type_: int, members: list, add: Add, keep_unset: bool) -> None:
    _record(type_, [("", member) for member in members], add, keep_unset)


def _vector(type_: int, elements: list, add: Add, keep_unset: bool) -> None:
    vector = lib.bro_vector_new()
    try:
        for element in elements:
            value(element, lambda *val: lib.bro_vector_add_val(vector, *val), keep_unset)
        _added(type_, add(type_, None, vector))
    finally:
        lib.bro_vector_free(vector)


def _set(type_: int, members: list, add: Add, keep_unset: bool) -> None:
    new = lib.bro_set_new()
    try:
        for member in members:
            value(member, lambda kind, _name, val: lib.bro_set_insert(new, kind, val), keep_unset)
        _added(type_, add(type_, None, new))
    finally:
        lib.bro_set_free(new)


def _table(type_: int, entries: list, add: Add, keep_unset: bool) -> None:
    table = lib.bro_table_new()
    try:
        for key, val in entries:
            _entry(table, key, val, keep_unset)
        _added(type_, add(type_, None, table))
    finally:
        lib.bro_table_free(table)


def _entry(table: int, key: Pair, val: Pair, keep_unset: bool) -> None:
    def with_key(key_type: int, _name: Any, key_at: Any) -> int:
        value(val, lambda val_type, _name, at: lib.bro_table_insert(table, key_type, key_at, val_type, at), keep_unset)
        return 1
    value(key, with_key, keep_unset)


_WRITERS: dict[int, Callable[..., None]] = {
    c.BRO_TYPE_BOOL: _plain(c_int),
    c.BRO_TYPE_INT: _plain(c_int64),
    c.BRO_TYPE_COUNT: _plain(c_uint64),
    c.BRO_TYPE_COUNTER: _plain(c_uint64),
    c.BRO_TYPE_DOUBLE: _plain(c_double),
    c.BRO_TYPE_TIME: _plain(c_double),
    c.BRO_TYPE_INTERVAL: _plain(c_double),
    c.BRO_TYPE_STRING: _plain(_string),
    c.BRO_TYPE_PATTERN: _plain(_string),
    c.BRO_TYPE_ENUM: _enum,
    c.BRO_TYPE_PORT: _plain(_port),
    c.BRO_TYPE_IPADDR: _plain(_addr),
    c.BRO_TYPE_SUBNET: _plain(_subnet),
    c.BRO_TYPE_RECORD: _record,
    c.BRO_TYPE_LIST: _list,
    c.BRO_TYPE_VECTOR: _vector,
    c.BRO_TYPE_SET: _set,
    c.BRO_TYPE_TABLE: _table,
}
