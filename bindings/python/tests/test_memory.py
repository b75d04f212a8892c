"""What many events leave in memory: nothing."""

import gc
import threading

from . import support

from broccoli import *


def resident() -> int:
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


class Memory(support.Case):
    EVENTS = 100_000
    MOST = 3 * 1024  # KiB; an int of 28 bytes for each event would be as much

    def test_events(self) -> None:
        """Of each kind of value, sent and received, with a handler that raises now and then."""
        a, b = self.pair()
        seen = [0, 0]

        def handler(n: int, *_: object) -> None:
            seen[0] += 1
            if n % 100 == 0:
                seen[1] += 1
                raise KeyError(n)

        b.subscribe("e", handler)
        self.asked(a, b)
        rec = record_type("a", "b")
        args = ("text", 1.5, addr("1.2.3.4"), [count(1), count(2)], {"x"}, {(count(1), "y"): "z"},
                record(rec, [1, "field"]), enum(1, "E"))
        self.run_events(a, b, seen, 20_000, args)
        gc.collect()
        before = resident()
        self.run_events(a, b, seen, self.EVENTS, args)
        gc.collect()
        self.assertLess(resident() - before, self.MOST)
        self.assertEqual(seen, [120_000, 1200])

    def run_events(self, a: Connection, b: Connection, seen: list, n: int, args: tuple) -> None:
        """In a thread for the receiver, which is only ever a little behind."""
        end = seen[0] + n
        sender = threading.Thread(target=self.send, args=(a, seen, seen[0], end, args))
        sender.start()
        while seen[0] < end:
            b.wait(support.PATIENCE)
            try:
                b.processInput()
            except KeyError:
                pass
        sender.join()

    def send(self, a: Connection, seen: list, first: int, end: int, args: tuple) -> None:
        for i in range(first, end):
            while i - seen[0] > 500:
                threading.Event().wait(0.001)
            a.send("e", i, *args)

    def test_connections(self) -> None:
        """Connections that come and go, by close() and by themselves."""
        collector = self.collector("e")

        def use(n: int) -> None:
            for i in range(n):
                bc = Connection(collector.address, flags=BRO_CFLAG_NONE, connect=False)
                bc.subscribe("e")
                bc.connect()
                if i % 2:
                    bc.close()
                del bc
            gc.collect()

        use(100)
        before = resident()
        use(300)
        self.assertLess(resident() - before, self.MOST)
