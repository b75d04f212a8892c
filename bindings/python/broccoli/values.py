"""
The values of Bro's types that Python does not have, and what becomes of each value at a handler.

bool, int, float, str and bytes stand for Bro's bool, int, double and string (bytes for both ways of
writing one); list, set and dict for vector, set and table, and a tuple for the index of several
parts of the last two. All others are written with a class here, which is called as Bro's type is.
"""

from __future__ import annotations

import datetime
import ipaddress
import socket
import struct
from types import MappingProxyType
from typing import Any, ClassVar, Iterable, Iterator, Mapping, get_args, get_origin

from . import constants as c
from ._read import Pair, text
from ._write import bytes_of

string = str
double = float


class Val:
    """
    A value with its type. As a type of @event: whatever comes, in the form that sends the same again.

    val is the value, as plainly as Python has it.
    """

    _plain: ClassVar[Any] = None

    def __init__(self, type: int, val: Any) -> None:
        self.type = type
        self.val = val

    def internalVal(self) -> Pair:
        """The value as _write.py takes it."""
        return self.type, self.val

    def plain(self) -> Any:
        """The value as a handler without types gets it."""
        return self.val

    def convert(self, dst: Any) -> Any:
        """The value as a dst."""
        if dst is self._plain:
            return self.plain()
        raise TypeError(f"{self!r} cannot be made a {getattr(dst, '__name__', dst)}")

    def __str__(self) -> str:
        return str(self.plain())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.plain()!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Val) and self.internalVal() == other.internalVal()

    def __hash__(self) -> int:
        return hash((self.type, str(self)))


# --- Numbers ----------------------------------------------------------------------------------


def _within(number: int, least: int, most: int, what: str) -> int:
    if not least <= number <= most:
        raise ValueError(f"{number} is no {what}, which is from {least} to {most}")
    return number


class count(Val):
    _plain = int

    def __init__(self, val: Any) -> None:
        super().__init__(c.BRO_TYPE_COUNT, _within(int(val), 0, 2**64 - 1, "count"))

    def __int__(self) -> int:
        return self.val

    __index__ = __int__


class counter(Val):
    _plain = int

    def __init__(self, val: Any) -> None:
        super().__init__(c.BRO_TYPE_COUNTER, _within(int(val), 0, 2**64 - 1, "counter"))

    def __int__(self) -> int:
        return self.val


class interval(Val):
    """Seconds, or a timedelta."""

    _plain = float

    def __init__(self, val: Any) -> None:
        if isinstance(val, datetime.timedelta):
            val = val.total_seconds()
        super().__init__(c.BRO_TYPE_INTERVAL, float(val))

    def __float__(self) -> float:
        return self.val


class time(Val):
    """Seconds since the epoch, or a datetime."""

    _plain = float

    def __init__(self, val: Any) -> None:
        if isinstance(val, datetime.datetime):
            val = val.timestamp()
        super().__init__(c.BRO_TYPE_TIME, float(val))

    def __float__(self) -> float:
        return self.val


class enum(Val):
    """A number of an enum, and the name of the enum, such as "Notice::Type". What comes has no name."""

    _plain = int

    def __init__(self, val: int, type_name: str | None = None) -> None:
        super().__init__(c.BRO_TYPE_ENUM, (_within(int(val), 0, 2**64 - 1, "enum"), type_name))

    def plain(self) -> int:
        return self.val[0]

    __int__ = plain

    def __repr__(self) -> str:
        return f"enum{self.val}" if self.val[1] else f"enum({self.val[0]})"


class unknown(Val):
    """What is not set, also where None would leave a field of a record out."""

    def __init__(self) -> None:
        super().__init__(c.BRO_TYPE_UNKNOWN, None)


# --- Texts ------------------------------------------------------------------------------------


class pattern(Val):
    """A regular expression, without its slashes."""

    _plain = str

    def __init__(self, val: str | bytes) -> None:
        super().__init__(c.BRO_TYPE_PATTERN, text(val) if isinstance(val, bytes) else val)

    def internalVal(self) -> Pair:
        return self.type, bytes_of(self.val)


class name(Val):
    """The name of a function or a file. Such come, and cannot be sent."""

    _plain = str


# --- The net ----------------------------------------------------------------------------------


class port(Val):
    """A port such as "80/tcp"."""

    _plain = str

    protos_by_name: ClassVar[Mapping[str, int]] = MappingProxyType({"unknown": 0, "icmp": 1, "tcp": 6, "udp": 17})
    protos_by_num: ClassVar[Mapping[int, str]] = MappingProxyType({n: name for name, n in protos_by_name.items()})

    def __init__(self, str: str | None = None, internal: tuple | None = None) -> None:
        super().__init__(c.BRO_TYPE_PORT, self._parse(str) if internal is None else internal)

    def _parse(self, str: Any) -> tuple:
        number, _, proto = str.partition("/")
        try:
            return _within(int(number), 0, 65535, "port"), self.protos_by_name[proto.lower()]
        except (KeyError, ValueError):
            raise ValueError(f"{str!r} is no port, such as 80/tcp") from None

    def plain(self) -> Any:
        number, proto = self.val
        return f"{number}/{self.protos_by_num.get(proto, 'unknown')}"

    def convert(self, dst: Any) -> Any:
        return self.val[0] if dst is int else super().convert(dst)


class addr(Val):
    """An address such as "192.168.1.1" or "2001:db8::1"."""

    _plain = str

    def __init__(self, str: Any = None, internal: tuple | None = None) -> None:
        super().__init__(c.BRO_TYPE_IPADDR, _words(str) if internal is None else internal)

    def plain(self) -> Any:
        return _dotted(self.val)

    def convert(self, dst: Any) -> Any:
        if dst in (ipaddress.IPv4Address, ipaddress.IPv6Address):
            return dst(self.plain())
        return super().convert(dst)


class subnet(Val):
    """A net such as "192.168.0.0/16"."""

    _plain = str

    def __init__(self, str: Any = None, internal: tuple | None = None) -> None:
        super().__init__(c.BRO_TYPE_SUBNET, self._parse(str) if internal is None else internal)

    @staticmethod
    def _parse(net: Any) -> tuple:
        words, _, width = f"{net}".partition("/")
        net_words = _words(words)
        if not width.isdigit():
            raise ValueError(f"{net!r} is no subnet, such as 192.168.0.0/16")
        return net_words, _within(int(width), 0, 32 * len(net_words), "width of that net")

    def plain(self) -> Any:
        net, width = self.val
        return f"{_dotted(net)}/{width}"

    def convert(self, dst: Any) -> Any:
        if dst in (ipaddress.IPv4Network, ipaddress.IPv6Network):
            return dst(self.plain(), strict=False)
        return super().convert(dst)


def _words(address: Any) -> tuple:
    """One word or four in network byte order."""
    written = f"{address}"
    try:
        if ":" in written:
            return struct.unpack("=4I", socket.inet_pton(socket.AF_INET6, written))
        return struct.unpack("=I", socket.inet_pton(socket.AF_INET, written))
    except OSError:
        raise ValueError(f"{written!r} is no address") from None


def _dotted(words: tuple) -> str:
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))


# --- Containers -------------------------------------------------------------------------------


class vector(Val):
    def __init__(self, val: Iterable[Any] = ()) -> None:
        super().__init__(c.BRO_TYPE_VECTOR, list(val))

    def internalVal(self) -> Pair:
        return self.type, [unset_or_pair(v) for v in self.val]

    def plain(self) -> list:
        return [plain(v) for v in self.val]

    def convert(self, dst: Any) -> Any:
        if dst is list:
            return self.plain()
        if get_origin(dst) is list:
            return [convert(v, get_args(dst)[0]) for v in self.val]
        return super().convert(dst)


class set_(Val):
    """A set. The underscore leaves Python's set to those who import all of this module."""

    def __init__(self, val: Iterable[Any] = ()) -> None:
        super().__init__(c.BRO_TYPE_SET, list(val))

    def internalVal(self) -> Pair:
        return self.type, [key_pair(v) for v in self.val]

    def plain(self) -> set:
        return {_hashable(plain(v)) for v in self.val}

    def convert(self, dst: Any) -> Any:
        if dst is set:
            return self.plain()
        if get_origin(dst) is set:
            return {_hashable(convert(v, get_args(dst)[0])) for v in self.val}
        return super().convert(dst)


class table(Val):
    """A table, of a dict or of pairs of keys and values."""

    def __init__(self, val: Any = ()) -> None:
        super().__init__(c.BRO_TYPE_TABLE, list(val.items() if isinstance(val, Mapping) else val))

    def internalVal(self) -> Pair:
        return self.type, [(key_pair(k), pair(v)) for k, v in self.val]

    def plain(self) -> dict:
        return {_hashable(plain(k)): plain(v) for k, v in self.val}

    def convert(self, dst: Any) -> Any:
        if dst is dict:
            return self.plain()
        if get_origin(dst) is dict:
            of_key, of_val = get_args(dst)
            return {_hashable(convert(k, of_key)): convert(v, of_val) for k, v in self.val}
        return super().convert(dst)


def _hashable(key: Any) -> Any:
    """A key of Python's: of a vector or a record its members."""
    if isinstance(key, list):
        return tuple(_hashable(k) for k in key)
    if isinstance(key, record):
        return tuple(_hashable(k) for k in key)
    return key


# --- Records ----------------------------------------------------------------------------------


class record_type:
    """
    The names of a record's fields, in their order.

    Types of fields, as those of @event, may be given by their names:

        conn_id = record_type("orig_h", "orig_p", "resp_h", "resp_p", orig_h=addr)
        connection = record_type("id", "uid", id=conn_id)
    """

    def __init__(self, *fields: str, **types: Any) -> None:
        for field in types:
            if field not in fields:
                raise TypeError(f"a type was given for {field}, which is no field of the record")
        self.fields = fields
        self.types = types

    def __repr__(self) -> str:
        return f"record_type({', '.join(map(repr, self.fields))})"


class record(Val):
    """A record: its fields are attributes, and items by name or by number. One that is None is not set."""

    def __init__(self, type: record_type, vals: Iterable[Any] | None = None) -> None:
        self.__dict__["_type"] = type
        given = [] if vals is None else list(vals)
        super().__init__(c.BRO_TYPE_RECORD, dict(zip(type.fields, given + [None] * len(type.fields))))

    def internalVal(self) -> Pair:
        return self.type, [(field, None if v is None else pair(v)) for field, v in self.items()]

    def plain(self) -> record:
        return record(self._type, [plain(v) for v in self])

    def convert(self, dst: Any) -> Any:
        if not isinstance(dst, record_type):
            return super().convert(dst)
        return record(dst, [convert(v, dst.types.get(field)) for field, v in zip(dst.fields, self)])

    def items(self) -> list[tuple[str, Any]]:
        return [(field, self.val[field]) for field in self._type.fields]

    def __iter__(self) -> Iterator[Any]:
        return iter([self.val[field] for field in self._type.fields])

    def __len__(self) -> int:
        return len(self._type.fields)

    def __getitem__(self, key: str | int) -> Any:
        return self.val[self._type.fields[key] if isinstance(key, int) else key]

    def __getattr__(self, key: str) -> Any:
        if key in self.__dict__["_type"].fields:
            return self.val[key]
        raise AttributeError(f"the record has no field {key}: it has {', '.join(self._type.fields)}")

    def __setattr__(self, key: str, val: Any) -> None:
        if key in self._type.fields:
            self.val[key] = val
        elif key in ("type", "val", "_type"):
            self.__dict__[key] = val
        else:
            raise AttributeError(f"the record has no field {key}: it has {', '.join(self._type.fields)}")

    def __str__(self) -> str:
        return "[" + ", ".join(f"{field}={v}" for field, v in self.items()) + "]"

    def __repr__(self) -> str:
        return "record(" + ", ".join(f"{field}={v!r}" for field, v in self.items()) + ")"


def _record(fields: list) -> record:
    """A record that has come. Fields without a name go by their number, and no name comes twice."""
    names: list[str] = []
    for field_name, _ in fields:
        unique = field_name or str(len(names))
        while unique in names:
            unique += "_"
        names.append(unique)
    return record(record_type(*names), [wrap(field) for _, field in fields])


# --- There ------------------------------------------------------------------------------------


def pair(value: Any) -> Pair:
    """Any value, as _write.py takes it."""
    if value is None:
        raise ValueError("uninitialized event argument: None has no type; unknown() is a value that is not set")
    if isinstance(value, Val):
        return value.internalVal()
    for kinds, make in _BUILTIN:
        if isinstance(value, kinds):
            return make(value)
    raise TypeError(f"a {type(value).__name__} is no value of Bro's")


def unset_or_pair(value: Any) -> Pair:
    return unknown().internalVal() if value is None else pair(value)


def key_pair(value: Any) -> Pair:
    """The same for a key of a table or set, where a tuple is an index of several parts."""
    if isinstance(value, tuple):
        return c.BRO_TYPE_LIST, [pair(v) for v in value]
    return pair(value)


def _int(value: int) -> Pair:
    return c.BRO_TYPE_INT, _within(int(value), -(2**63), 2**63 - 1, "int")


# In this order: a bool is an int.
_BUILTIN: tuple = (
    (bool, lambda v: (c.BRO_TYPE_BOOL, v)),
    (int, _int),
    (float, lambda v: (c.BRO_TYPE_DOUBLE, float(v))),
    (str, lambda v: (c.BRO_TYPE_STRING, bytes_of(v))),
    ((bytes, bytearray, memoryview), lambda v: (c.BRO_TYPE_STRING, bytes(v))),
    ((list, tuple), lambda v: vector(v).internalVal()),
    ((set, frozenset), lambda v: set_(v).internalVal()),
    (Mapping, lambda v: table(v).internalVal()),
    ((ipaddress.IPv4Address, ipaddress.IPv6Address), lambda v: addr(v).internalVal()),
    ((ipaddress.IPv4Network, ipaddress.IPv6Network), lambda v: subnet(v).internalVal()),
)


# --- And back ---------------------------------------------------------------------------------


def wrap(of: Pair) -> Any:
    """A value that came, so that sending it sends the same again."""
    type_, payload = of
    return None if type_ == c.BRO_TYPE_UNKNOWN else _WRAPPERS[type_](payload)


def plain(value: Any) -> Any:
    """The same as a handler without types gets it."""
    if isinstance(value, tuple):
        return tuple(plain(v) for v in value)
    return value.plain() if isinstance(value, Val) else value


def convert(value: Any, dst: Any) -> Any:
    """The same as a handler with the type dst gets it. None is what is not set, whatever the type."""
    if value is None or dst is Val:
        return value
    if dst is None:
        return plain(value)
    if isinstance(value, tuple):
        return _convert_index(value, dst)
    if not isinstance(value, Val):
        # Other types do not change what Python has itself: old scripts are not careful with these.
        return bytes_of(value) if dst is bytes and isinstance(value, str) else value
    if dst is type(value):
        return value
    return value.convert(dst)


def _convert_index(value: tuple, dst: Any) -> tuple:
    if get_origin(dst) is not tuple or len(get_args(dst)) != len(value):
        raise TypeError(f"an index of {len(value)} parts cannot be made a {dst}")
    return tuple(convert(v, part) for v, part in zip(value, get_args(dst)))


_WRAPPERS: dict = {
    c.BRO_TYPE_BOOL: bool,
    c.BRO_TYPE_INT: int,
    c.BRO_TYPE_DOUBLE: float,
    c.BRO_TYPE_STRING: text,
    c.BRO_TYPE_COUNT: count,
    c.BRO_TYPE_COUNTER: counter,
    c.BRO_TYPE_TIME: time,
    c.BRO_TYPE_INTERVAL: interval,
    c.BRO_TYPE_PATTERN: pattern,
    c.BRO_TYPE_FUNC: lambda v: name(c.BRO_TYPE_FUNC, text(v)),
    c.BRO_TYPE_FILE: lambda v: name(c.BRO_TYPE_FILE, text(v)),
    c.BRO_TYPE_ENUM: lambda v: enum(*v),
    c.BRO_TYPE_PORT: lambda v: port(internal=v),
    c.BRO_TYPE_IPADDR: lambda v: addr(internal=v),
    c.BRO_TYPE_SUBNET: lambda v: subnet(internal=v),
    c.BRO_TYPE_RECORD: _record,
    c.BRO_TYPE_LIST: lambda v: tuple(wrap(part) for part in v),
    c.BRO_TYPE_VECTOR: lambda v: vector(wrap(e) for e in v),
    c.BRO_TYPE_SET: lambda v: set_(wrap(m) for m in v),
    c.BRO_TYPE_TABLE: lambda v: table((wrap(k), wrap(e)) for k, e in v),
}
