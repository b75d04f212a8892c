"""fork() and multiprocessing: a child has a connection of its own."""

import multiprocessing
import os
import signal
import threading
import traceback
import warnings

from . import support

from broccoli import *


def send_from(bc: Connection, n: int) -> None:
    bc.send("e", n)
    bc.close()


def connect_and_send(address: str, n: int) -> None:
    with Connection(address) as bc:
        bc.send("e", n)


class Fork(support.Case):
    def test_os_fork(self) -> None:
        """Also out of a handler, with events that wait: the parent handles these, and the child none of them."""
        collector = self.collector("e")
        bc = self.connect(collector)
        a, b = self.pair()
        handled = []
        children = []

        def handler(n: int) -> None:
            handled.append(n)
            if n == 1:
                children.append(self.fork(lambda: self.in_child(bc, b, handled)))

        b.subscribe("go", handler)
        self.asked(a, b)
        a.send("asked", False)  # which nobody takes
        for n in range(5):
            a.send("go", n)
        while len(handled) < 5:
            b.wait(support.PATIENCE)
            b.processInput()
        self.assertEqual(os.waitpid(children[0], 0)[1], 0)
        bc.send("e", 100)
        lines = [collector.line() for _ in range(2)]
        self.assertEqual(sorted(line["args"]["arg1"] for line in lines), [1, 100])
        self.assertEqual(len({line["peer"] for line in lines}), 2)
        self.assertEqual(handled, list(range(5)))

    def fork(self, work: object) -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # this process has threads of its tests
            pid = os.fork()
        if pid == 0:
            signal.alarm(60)
            try:
                work()
                os._exit(0)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        return pid

    def in_child(self, bc: Connection, b: Connection, handled: list) -> None:
        bc.send("e", len(handled) - 1)
        bc.close()
        assert b.take() is None, "an event of the parent's came to the child"

    def test_call_of_another_thread(self) -> None:
        """A thread that is in a call has no counterpart in the child, which can close all the same."""
        collector = self.collector("e")
        bc = self.connect(collector)
        bc.bc._users.add(object())
        pid = self.fork(lambda: (bc.send("e", 1), bc.close(), os._exit(len(bc.bc._pointers))))
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertEqual(collector.line()["args"]["arg1"], 1)
        bc.bc._users.clear()

    def test_many_children(self) -> None:
        collector = self.collector("e")
        bc = self.connect(collector)
        children = [self.fork(lambda n=n: send_from(bc, n)) for n in range(8)]
        self.assertEqual([os.waitpid(pid, 0)[1] for pid in children], [0] * 8)
        bc.send("e", 8)
        self.assertEqual(sorted(collector.line()["args"]["arg1"] for _ in range(9)), list(range(9)))

    def test_multiprocessing(self) -> None:
        collector = self.collector("e")
        bc = self.connect(collector)
        bc.send("e", 0)
        for i, method in enumerate(["fork", "spawn", "forkserver"]):
            with self.subTest(method), warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context = multiprocessing.get_context(method)
                if method == "fork":
                    child = context.Process(target=send_from, args=(bc, i + 1))
                else:
                    child = context.Process(target=connect_and_send, args=(collector.address, i + 1))
                child.start()
                child.join(support.PATIENCE)
                self.assertEqual(child.exitcode, 0)
        self.assertEqual(sorted(collector.line()["args"]["arg1"] for _ in range(4)), list(range(4)))

    def test_pool(self) -> None:
        collector = self.collector("e")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            with multiprocessing.get_context("fork").Pool(3) as pool:
                pool.starmap(connect_and_send, [(collector.address, n) for n in range(10)])
        self.assertEqual(sorted(collector.line()["args"]["arg1"] for _ in range(10)), list(range(10)))


class Threads(support.Case):
    def test_senders(self) -> None:
        collector = self.collector("e")
        bc = self.connect(collector)
        failed = []

        def send(first: int) -> None:
            try:
                for n in range(first, first + 250):
                    bc.send("e", n)
            except BaseException as e:
                failed.append(e)

        threads = [threading.Thread(target=send, args=(250 * i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        self.assertEqual(sorted(collector.line()["args"]["arg1"] for _ in range(1000)), list(range(1000)))

    def test_one_reads_one_sends(self) -> None:
        a, b = self.pair("e")
        got = []
        reader = threading.Thread(target=lambda: got.extend(e.args[0] for e in b))
        reader.start()
        for n in range(2000):
            a.send("e", n)
        a.close()
        reader.join(support.PATIENCE)
        self.assertEqual(got, list(range(2000)))

    def test_closed_by_another(self) -> None:
        """Whatever a thread is in, close() by another one ends it, and the process lives."""
        for use in (lambda bc: list(bc), lambda bc: bc.wait(), self.send_for_ever, self.process_for_ever):
            a, b = self.pair("e")
            ends = []

            def run(use=use, b=b, ends=ends) -> None:
                try:
                    use(b)
                except ClosedError:
                    pass
                ends.append(True)

            threads = [threading.Thread(target=run) for _ in range(3)]
            for thread in threads:
                thread.start()
            threading.Event().wait(0.05)
            b.close()
            for thread in threads:
                thread.join(support.PATIENCE)
            self.assertEqual(ends, [True] * 3)
            self.assertEqual(b.bc._pointers, [])

    def test_closed_during_a_call(self) -> None:
        """The connection is deleted when the call has returned."""
        bc = Connection("127.0.0.1:1", connect=False)

        def call(pointer: int) -> list:
            closer = threading.Thread(target=bc.close)
            closer.start()
            closer.join()
            return list(bc.bc._pointers)

        self.assertEqual(len(bc.bc.call(call)), 1)
        self.assertEqual(bc.bc._pointers, [])

    def send_for_ever(self, bc: Connection) -> None:
        while True:
            try:
                bc.send("e", 1)
            except SendError:
                pass

    def process_for_ever(self, bc: Connection) -> None:
        while True:
            bc.processInput()
