"""What a real Bro 2.5.5 has sent, as recorded in testdata/vectors."""

import socket
import threading

from . import support

from broccoli import *
from broccoli import Val

inner = record_type("a", "b")
outer = record_type("s", "r", "o", "d", "p", "n", "x")

COMPOUND = {
    "b2c_scalars": [True, -5, count(2**64 - 1), 3.25, time(1126645547.5), interval(90), "h\0i", port("22/tcp"),
                    addr("2001:db8::1"), subnet("192.168.0.0/16"), enum(2)],
    "b2c_record": [record(outer, ["outer", record(inner, [count(42), "inner"]), None, interval(90), port("53/udp"),
                                  subnet("10.0.0.0/8"), -2.5])],
    "b2c_table": [{"one": count(1), "two": count(2)}],
    "b2c_table2": [{(addr("1.2.3.4"), port("80/tcp")): "web", (addr("::1"), port("53/udp")): "dns"}],
    "b2c_set": [{count(1), count(2), count(3)}],
    "b2c_set2": [{("a", count(1)), ("b", count(2))}],
    "b2c_vector": [[addr("1.1.1.1"), addr("2.2.2.2")]],
    "b2c_vecrec": [[record(inner, [count(42), "inner"]), record(inner, [count(7), "x"])]],
}


class Recorded(support.Case):
    def replay(self, folder: str, names: list) -> list:
        """The events of a recorded session that have these names."""
        recorded = (support.ROOT / "testdata" / "vectors" / folder / "server.bin").read_bytes()
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        server = threading.Thread(target=serve, args=(listener, recorded))
        server.start()
        bc = Connection("127.0.0.1:%d" % listener.getsockname()[1], flags=BRO_CFLAG_NONE, connect=False)
        for name in names:
            bc.subscribe(name, types=Val)
        bc.connect()
        events = list(bc)
        self.assertIn("closed", bc.error)
        server.join()
        bc.close()
        return events

    def test_compound(self) -> None:
        came = {e.name: [simple(arg) for arg in e.args] for e in self.replay("compound", [*COMPOUND, "b2c_pattern"])}
        self.assertIn("foo|bar.*", str(came.pop("b2c_pattern")[0]))
        self.assertEqual(came, {name: [simple(arg) for arg in args] for name, args in COMPOUND.items()})

    def test_vectors(self) -> None:
        came = [e.args[0].plain() for e in self.replay("vectors", ["bro_vector"])]
        self.assertEqual(came, [["a", "b", "c", "d", "e"], ["one", "two", "three"]])

    def test_addresses(self) -> None:
        came = [str(e.args[0]) for e in self.replay("v6addrs", ["bro_addr", "bro_subnet"])]
        self.assertEqual(came, ["1.2.3.4", "10.0.0.0/16", "2607:f8b0:4009:802::1014", "2607:f8b0::/32"])


def simple(value: object) -> object:
    """For comparing: the same whatever the order in a set or table, or who has made a record."""
    if isinstance(value, (set, set_)):
        return sorted(str(simple(v)) for v in (value.val if isinstance(value, set_) else value))
    if isinstance(value, (dict, table)):
        pairs = value.items() if isinstance(value, dict) else value.val
        return sorted(str((simple(k), simple(v))) for k, v in pairs)
    if isinstance(value, (list, vector)):
        return [simple(v) for v in (value.val if isinstance(value, vector) else value)]
    if isinstance(value, record):
        return [(field, simple(v)) for field, v in value.items()]
    if isinstance(value, tuple):
        return tuple(simple(v) for v in value)
    return value


def serve(listener: socket.socket, recorded: bytes) -> None:
    """Says what was recorded, and leaves when the client can have read it."""
    with listener.accept()[0] as conn:
        conn.sendall(recorded)
        conn.shutdown(socket.SHUT_WR)
        while conn.recv(65536):
            pass
