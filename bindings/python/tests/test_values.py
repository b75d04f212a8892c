"""Values of every type, there and back."""

import datetime
import ipaddress
import math
import random
import unittest

from . import support

from broccoli import *
from broccoli import BRO_CFLAG_RECONNECT, Val

inner = record_type("a", "b")
outer = record_type("s", "r", "o", r=inner)

# As they are sent, and as a handler gets them that has no types.
VALUES = [
    (True, True), (False, False),
    (0, 0), (-(2**63), -(2**63)), (2**63 - 1, 2**63 - 1),
    (count(0), 0), (count(2**63), 2**63), (count(2**64 - 1), 2**64 - 1), (counter(2**64 - 1), 2**64 - 1),
    (1.5, 1.5), (-0.0, -0.0), (math.inf, math.inf), (5e-324, 5e-324),
    (time(1126645547.25), 1126645547.25), (interval(-60), -60.0),
    ("", ""), ("gr\u00fcn \U0001f966", "gr\u00fcn \U0001f966"), ("h\0i", "h\0i"), (b"\xff\0\xfe", "\udcff\0\udcfe"),
    ("x" * 300_000, "x" * 300_000),
    (pattern("a|b.*"), "a|b.*"), (enum(3, "Notice::Type"), 3), (enum(2**64 - 1, "a"), 2**64 - 1),
    *((port(text), text) for text in ("22/tcp", "53/udp", "8/icmp", "0/unknown")),
    *((addr(text), text) for text in ("1.2.3.4", "2001:db8::1", "0.0.0.0", "::")),
    *((subnet(text), text) for text in ("10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0")),
    (record(inner, [1, "x"]), record(inner, [1, "x"])),
    (record(outer, ["s", record(inner, [count(1), addr("1.2.3.4")]), -1]),
     record(outer, ["s", record(inner, [1, "1.2.3.4"]), -1])),
    ([count(1), count(2)], [1, 2]), ([], []), ([[1], [2, 3]], [[1], [2, 3]]), (vector([1, None, 3]), [1, None, 3]),
    ({"x", "y"}, {"x", "y"}), (set(), set()), ({(count(1), "x"), (count(2), "y")}, {(1, "x"), (2, "y")}),
    (set_([addr("::1")]), {"::1"}),
    ({"k": count(1), "l": count(2)}, {"k": 1, "l": 2}), ({}, {}),
    ({(addr("1.2.3.4"), port("80/tcp")): "web"}, {("1.2.3.4", "80/tcp"): "web"}),
    (table({"deep": [record(inner, [{1}, {2: {"z"}}])]}), {"deep": [record(inner, [{1}, {2: {"z"}}])]}),
]


class ThereAndBack(support.Case):
    def test_each(self) -> None:
        a, b = self.pair("one", "typed")
        b.subscribe("typed", types=Val)
        for sent, comes in VALUES:
            with self.subTest(repr(sent)[:80]):
                a.send("one", sent)
                got = self.next(b).args[0]
                self.assertEqual(got, comes)
                self.assertIs(type(got), type(comes))

    def test_types_are_kept(self) -> None:
        a, b = self.pair("there", types=Val)
        a.subscribe("back", types=Val)
        ends = a, b
        args = [sent for sent, _ in VALUES if not isinstance(sent, enum)]
        a.send("there", *args)
        there = self.next(b).args
        b.send("back", *there)
        self.assertEqual(self.next(a).args, there)
        self.assertEqual([pair_of(v) for v in there], [pair_of(v) for v in args])
        del ends

    def test_through_a_collector(self) -> None:
        collector = self.collector("there", "back")
        b = self.connect(collector, "there", types=Val)
        a = self.connect(collector, "back", types=Val)
        args = [sent for sent, _ in VALUES if not isinstance(sent, enum)]
        there = self.asked(a, b, "there", args)
        self.assertEqual([pair_of(v) for v in there], [pair_of(v) for v in args])
        self.assertEqual([pair_of(v) for v in self.asked(b, a, "back", there)], [pair_of(v) for v in args])
        line = collector.line()
        self.assertEqual(line["event"], "there")
        self.assertEqual(line["args"]["arg8"], 2**64 - 1)
        self.assertIn("22/tcp", line["args"].values())

    def asked(self, source, to, name: str, args: list) -> tuple:
        """Sends until it comes: the collector may not know yet who asks for it."""
        for _ in range(int(support.PATIENCE * 5)):
            source.send(name, *args)
            if to.wait(0.2):
                return self.next(to).args
        self.fail("nothing came")

    def test_random(self) -> None:
        a, b = self.pair("case", types=Val)
        rnd = random.Random(1)
        for i in range(300):
            args = [value(rnd, 4) for _ in range(rnd.randrange(6))]
            a.send("case", *args)
            got = self.next(b).args
            self.assertEqual([pair_of(v) for v in got], [pair_of(v) for v in args], f"case {i}")

    def test_unset_fields_are_left_out(self) -> None:
        a, b = self.pair("e")
        rec = record(record_type("one", "a", "b", "c"))
        rec.a, rec.c = 13, "hello"
        a.send("e", rec)
        self.assertEqual(self.next(b).args[0].val, {"a": 13, "c": "hello"})
        rec.one = unknown()
        a.send("e", rec)
        self.assertEqual(self.next(b).args[0].val, {"one": None, "a": 13, "c": "hello"})


def pair_of(v: object) -> tuple:
    from broccoli.values import pair

    return pair(v)


def value(rnd: random.Random, depth: int) -> object:
    simple = [
        lambda: rnd.random() < 0.5, lambda: rnd.randrange(-(2**63), 2**63), lambda: count(rnd.randrange(2**64)),
        lambda: rnd.uniform(-1e9, 1e9), lambda: time(rnd.random() * 2e9), lambda: interval(rnd.random()),
        lambda: bytes(rnd.randrange(256) for _ in range(rnd.randrange(20))),
        lambda: port(f"{rnd.randrange(65536)}/tcp"), lambda: addr(ipaddress.IPv6Address(rnd.randrange(2**128))),
        lambda: subnet(f"{ipaddress.IPv4Address(rnd.randrange(2**32))}/{rnd.randrange(33)}"), lambda: pattern("x+"),
    ]
    if depth and rnd.random() < 0.5:
        return container(rnd, depth - 1, simple)
    return rnd.choice(simple)()


def container(rnd: random.Random, depth: int, simple: list) -> object:
    n = rnd.randrange(4)
    kind = rnd.randrange(4)
    if kind == 0:
        return vector([value(rnd, depth) for _ in range(n)])
    if kind == 1:
        return record(record_type(*(f"f{i}" for i in range(n))), [value(rnd, depth) for _ in range(n)])
    kinds = [rnd.choice(simple[1:3] + simple[6:9]) for _ in range(rnd.randrange(1, 3))]
    keys = {tuple(make() for make in kinds) if len(kinds) > 1 else kinds[0]() for _ in range(n)}
    return set_(keys) if kind == 2 else table({key: f"v{i}" for i, key in enumerate(keys)})


class Conversions(support.Case):
    """What a handler with types gets."""

    def test_types_of_handlers(self) -> None:
        a, b = self.pair()
        got = []
        conn_id = record_type("h", "p", h=addr)
        for sent, dst, comes in [
            (count(5), count, count(5)), (count(5), int, 5), (time(1.5), float, 1.5), (time(1.5), time, time(1.5)),
            (port("80/tcp"), int, 80), (port("80/tcp"), str, "80/tcp"), (port("80/tcp"), port, port("80/tcp")),
            (addr("1.2.3.4"), ipaddress.IPv4Address, ipaddress.IPv4Address("1.2.3.4")),
            (addr("1.2.3.4"), addr, addr("1.2.3.4")), (addr("1.2.3.4"), str, "1.2.3.4"),
            (subnet("10.0.0.0/8"), ipaddress.IPv4Network, ipaddress.IPv4Network("10.0.0.0/8")),
            ("x", bytes, b"x"), (b"\xff", bytes, b"\xff"), ("x", str, "x"), ("x", addr, "x"), (enum(3, "E"), int, 3),
            ([count(1)], list[count], [count(1)]), ([count(1)], list, [1]), ([count(1)], vector, vector([count(1)])),
            ({addr("::1")}, set[addr], {addr("::1")}), ({"x"}, set, {"x"}), ({"x"}, set_, set_(["x"])),
            ({(count(1), "x"): addr("::1")}, dict[tuple[count, str], addr], {(count(1), "x"): addr("::1")}),
            ({"x": 1}, dict, {"x": 1}),
            (record(record_type("h", "p"), [addr("::1"), port("1/tcp")]), conn_id,
             record(conn_id, [addr("::1"), "1/tcp"])),
        ]:
            name = f"e{len(got)}"
            b.subscribe(name, lambda v: got.append(v), types=[dst])
            self.send_until(a, b, name, sent, got)
            with self.subTest(f"{sent!r} as {dst}"):
                self.assertEqual(got[-1], comes)
                self.assertIs(type(got[-1]), type(comes))

    def send_until(self, a, b, name: str, sent: object, got: list) -> None:
        had = len(got)
        while len(got) == had:
            a.send(name, sent)
            b.wait(0.1)
            b.processInput()
        del got[had + 1:]

    def test_wrong_types(self) -> None:
        a, b = self.pair("e")
        for types, why in [([addr], "count"), ([list[int]], "count"), ([int, int], "2 types were given")]:
            b._handlers["e"].clear()
            b.subscribe("e", lambda *_: self.fail("it was called"), types=types)
            a.send("e", count(5))
            b.wait(support.PATIENCE)
            with self.assertRaisesRegex(TypeError, why):
                b.processInput()

    def test_datetime(self) -> None:
        self.assertEqual(time(datetime.datetime.fromtimestamp(5.5)), time(5.5))
        self.assertEqual(interval(datetime.timedelta(minutes=1)), interval(60))


class Refused(unittest.TestCase):
    def test_values(self) -> None:
        for make in [lambda: count(-1), lambda: count(2**64), lambda: enum(-1, "E"), lambda: port("x/tcp"),
                     lambda: port("80"), lambda: port("80/sctp"), lambda: port("65536/tcp"), lambda: addr("1.2.3"),
                     lambda: addr("host"), lambda: subnet("10.0.0.0"), lambda: subnet("10.0.0.0/33"),
                     lambda: subnet("::/129")]:
            with self.assertRaises(ValueError):
                make()

    def test_arguments(self) -> None:
        bc = Connection("127.0.0.1:1", flags=BRO_CFLAG_ALWAYS_QUEUE, connect=False)
        for arg, error, why in [
            (None, ValueError, "argument 2 of e: uninitialized"), (2**63, ValueError, "no int"),
            (object(), TypeError, "object is no value"), ([1, "x", {1, "x"}], ValueError, "container"),
            (record(record_type("a\0b"), [1]), ValueError, "NUL"),
        ]:
            with self.assertRaisesRegex(error, why):
                bc.send("e", 1, arg)
        with self.assertRaisesRegex(ValueError, "name of an event"):
            bc.send("")
        bc.close()

    def test_fields(self) -> None:
        rec = record(record_type("a"))
        with self.assertRaisesRegex(AttributeError, "has no field b: it has a"):
            rec.b = 1
        with self.assertRaisesRegex(AttributeError, "has no field b"):
            rec.b
        with self.assertRaisesRegex(TypeError, "no field"):
            record_type("a", b=count)
