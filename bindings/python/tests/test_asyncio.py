"""async for event in conn."""

import asyncio
import gc
import os
import socket
import threading
from time import monotonic

from . import support

from broccoli import *


class Async(support.Case):
    def run_async(self, main: object) -> object:
        return asyncio.run(asyncio.wait_for(main, 2 * support.PATIENCE))

    def test_for(self) -> None:
        a, b = self.pair("e")

        async def main() -> list:
            got = []
            sender = asyncio.create_task(send())
            async for e in b:
                got.append(e.args[0])
            await sender
            return got

        async def send() -> None:
            for n in range(500):
                a.send("e", n)
                if n % 50 == 0:
                    await asyncio.sleep(0.001)
            a.close()

        self.assertEqual(self.run_async(main()), list(range(500)))

    def test_with_a_collector(self) -> None:
        collector = self.collector("e")

        async def main() -> tuple:
            bc = Connection(collector.address, connect=False)
            other = Connection(collector.address, connect=False)
            bc.subscribe("e")
            async with bc, other:
                sender = asyncio.create_task(send(other))
                async for e in bc:
                    sender.cancel()
                    return e.args

        async def send(bc: Connection) -> None:
            while True:
                bc.send("e", 7)
                await asyncio.sleep(0.05)

        self.assertEqual(self.run_async(main()), (7,))

    def test_handlers(self) -> None:
        """Events with a handler go to it, whose exception comes out; the iteration goes on afterwards."""
        a, b = self.pair("e")
        handled = []

        def handler(n: int) -> None:
            handled.append(n)
            if n == 0:
                raise KeyError("zero")

        b.subscribe("h", handler)

        async def main() -> object:
            while not handled:
                a.send("h", 0)
                try:
                    await asyncio.wait_for(b.__aiter__().__anext__(), 0.2)
                except asyncio.TimeoutError:
                    pass
                except KeyError:
                    break
            a.send("h", 1)
            a.send("e", 2)
            async for e in b:
                return e.args

        self.assertEqual(self.run_async(main()), (2,))
        self.assertEqual(handled[-1], 1)

    def test_cancelled(self) -> None:
        """A task that is cancelled a thousand times loses no event, and leaves no reader in the loop."""
        a, b = self.pair("e")
        got = []

        async def take() -> None:
            async for e in b:
                got.append(e.args[0])

        async def main() -> None:
            n = 0
            while n < 1000:
                task = asyncio.create_task(take())
                a.send("e", n)
                n += 1
                await asyncio.sleep(0.0005 if n % 3 else 0)
                task.cancel()
                try:
                    await task
                except asyncio.CancelledError:
                    pass
            end = monotonic() + support.PATIENCE
            while len(got) < n and monotonic() < end:
                try:
                    await asyncio.wait_for(take(), 0.2)
                except asyncio.TimeoutError:
                    pass
            self.assertEqual(asyncio.get_running_loop()._selector.get_map().keys().__len__(), 1)  # its own

        gc.collect()
        before = len(os.listdir("/proc/self/fd"))
        self.run_async(main())
        self.assertEqual(got, list(range(1000)))
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), before)

    def test_lost_and_closed(self) -> None:
        async def end(how: object) -> str:
            a, b = self.pair("e")
            asyncio.get_running_loop().call_later(0.05, how, a, b)
            async for _ in b:
                self.fail("an event came")
            return "closed" if b.closed else b.error

        self.assertIn("peer closed", self.run_async(end(lambda a, b: a.close())))
        self.assertEqual(self.run_async(end(lambda a, b: b.close())), "closed")

    def test_reconnects(self) -> None:
        """With BRO_CFLAG_RECONNECT the iteration goes on behind the loss of the connection."""
        collector = self.collector("e")
        port_ = int(collector.address.rpartition(":")[2])
        bc = self.connect(collector, "e", flags=BRO_CFLAG_RECONNECT)

        async def main() -> tuple:
            loop = asyncio.get_running_loop()
            taking = asyncio.create_task(bc.__aiter__().__anext__())
            await asyncio.sleep(0.1)
            await loop.run_in_executor(None, collector.stop)
            again = await loop.run_in_executor(None, lambda: self.collector("e", port=port_))
            other = self.connect(again)
            while not taking.done():
                other.send("e", 3)
                await asyncio.sleep(0.05)
            return taking.result().args

        self.assertEqual(self.run_async(main()), (3,))

    def test_others_run(self) -> None:
        """A stream that does not end leaves time to other tasks."""
        a, b = self.pair("e")

        async def main() -> int:
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0)

            ticking = asyncio.create_task(tick())
            for n in range(1000):
                a.send("e", n)
            a.close()
            async for _ in b:
                pass
            ticking.cancel()
            return ticks

        self.assertGreater(self.run_async(main()), 5)

    def test_connect_does_not_block(self) -> None:
        """Whoever is silent holds up who connects to it, and no other task."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = "127.0.0.1:%d" % silent.getsockname()[1]

            async def main() -> int:
                ticks = 0
                connecting = asyncio.create_task(enter(Connection(address, flags=BRO_CFLAG_NONE, connect=False)))
                while not connecting.done():
                    ticks += 1
                    if ticks == 5:
                        silent.close()
                        silent_peer.close()
                    await asyncio.sleep(0.05)
                with self.assertRaises(ConnectError):
                    connecting.result()
                return ticks

            async def enter(bc: Connection) -> None:
                async with bc:
                    pass

            class silent_peer:
                conn = None

                @classmethod
                def close(cls) -> None:
                    cls.conn.close()

            def accept() -> None:
                silent_peer.conn = silent.accept()[0]

            thread = threading.Thread(target=accept)
            thread.start()
            self.assertGreaterEqual(self.run_async(main()), 5)
            thread.join()
