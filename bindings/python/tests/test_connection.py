"""Connections: their errors, handlers, and ends."""

import gc
import os
import pickle
import select
import unittest.mock
import weakref

from . import support

from broccoli import *
from broccoli import BRO_CFLAG_BACKGROUND, intern


class Errors(support.Case):
    def test_no_peer(self) -> None:
        with self.assertRaisesRegex(ConnectError, "cannot connect to 127.0.0.1:1: .*refused") as caught:
            Connection("127.0.0.1:1")
        self.assertIsInstance(caught.exception, IOError)
        with self.assertRaisesRegex(BroccoliError, "no peer"):
            Connection("")

    def test_background(self) -> None:
        with Connection("127.0.0.1:1", flags=BRO_CFLAG_BACKGROUND) as bc:
            self.assertFalse(bc.alive)
            self.assertFalse(bc.ended)

    def test_not_sent(self) -> None:
        bc = Connection("127.0.0.1:1", flags=BRO_CFLAG_NONE, connect=False)
        with self.assertRaisesRegex(SendError, "e was not sent: .*connect"):
            bc.send("e", 1)
        bc.close()

    def test_closed(self) -> None:
        bc = Connection("127.0.0.1:1", connect=False)
        self.assertTrue(bc.connDelete())
        self.assertFalse(bc.connDelete())
        bc.close()
        self.assertTrue(bc.closed)
        self.assertFalse(bc.alive)
        for use in (lambda: bc.send("e"), bc.connect, bc.processInput, bc.connAlive, bc.fileno, bc.flush,
                    lambda: bc.error, lambda: bc.subscribe("e")):
            with self.assertRaises(ClosedError):
                use()
        self.assertEqual(list(bc), [])
        self.assertFalse(bc.wait())

    def test_other_process(self) -> None:
        with self.assertRaisesRegex(TypeError, "make it there"), Connection("x:1", connect=False) as bc:
            pickle.dumps(bc)

    def test_library(self) -> None:
        for library, why in [("/nowhere/lib.so", "Install libbroccoli5"), ("libc.so.6", "has no bro_init")]:
            process = self.script("import broccoli", BROCCOLI_LIBRARY=library)
            self.assertRegex(process.communicate()[1], f"ImportError: .*{why}")

    def test_library_of_a_setuid_program(self) -> None:
        """The environment is a stranger's then."""
        process = self.script(
            "import ctypes\n"
            "real = ctypes.CDLL\n"
            "class Libc:\n"
            "    class getauxval:\n"
            "        def __new__(cls, _): return 1\n"
            "ctypes.CDLL = lambda name, *a: Libc if name is None else print(name) or real('libc.so.6')\n"
            "try: import broccoli\n"
            "except ImportError: pass", BROCCOLI_LIBRARY="/tmp/evil.so")
        self.assertEqual(self.output(process), "libbroccoli.so.5\n")


class Handlers(support.Case):
    def test_raises(self) -> None:
        a, b = self.pair()
        got = []

        def handler(n: int) -> None:
            got.append(n)
            if n % 2:
                raise KeyError(n)

        b.subscribe("e", handler)
        self.send_all(a, b, 10)
        raised = []
        while len(got) < 10:
            b.wait(support.PATIENCE)
            try:
                b.processInput()
            except KeyError as e:
                raised.append(e.args[0])
                self.assertEqual(got[-1], raised[-1])
        self.assertEqual((got, raised), (list(range(10)), list(range(1, 10, 2))))

    def send_all(self, a: Connection, b: Connection, n: int) -> None:
        """Sends events that b has subscribed to; of them some have arrived, and none is handled."""
        self.asked(a, b)
        for i in range(n):
            a.send("e", i)
        a.flush()
        self.assertTrue(b.wait(support.PATIENCE))

    def process_until(self, bc: Connection, condition: object) -> None:
        while not condition():
            bc.wait(support.PATIENCE)
            bc.processInput()

    def test_one_by_one(self) -> None:
        """What has arrived waits in the library, which bounds it, and not here."""
        a, b = self.pair()
        b.subscribe("e", lambda n: None)
        self.send_all(a, b, 100)
        for _ in range(100):
            self.assertTrue(b.wait(support.PATIENCE))
            self.assertEqual(b.bc.pull().name, "e")
            self.assertEqual(len(b.bc._arrived), 0)

    def test_cannot_be_read(self) -> None:
        """What goes wrong while an event is read comes out, and nothing is printed by ctypes."""
        a, b = self.pair("e")
        self.send_all(a, b, 1)
        with unittest.mock.patch("broccoli._read.event", side_effect=MemoryError), self.assertRaises(MemoryError):
            b.processInput()
        a.send("e", 2)
        self.assertEqual(self.next(b).args, (2,))

    def test_asks_within(self) -> None:
        """A handler that asks, and waits for the answer, gets it."""
        a, b = self.pair("never")
        order = []

        def question(n: int) -> None:
            order.append(("asked", n))
            if n == 0:
                while ("asked", 1) not in order:
                    b.wait(support.PATIENCE)
                    b.processInput()
            order.append(("done", n))

        b.subscribe("e", question)
        self.send_all(a, b, 2)
        self.process_until(b, lambda: ("done", 0) in order)
        self.assertEqual(order, [("asked", 0), ("asked", 1), ("done", 1), ("done", 0)])

    def test_sends_within(self) -> None:
        """Handlers that send do not run each other, which would nest as deeply as events have arrived."""
        a, b = self.pair()
        a.subscribe("answer")
        depths = []

        def handler(n: int) -> None:
            depths.append(b._dispatching)
            b.send("answer", n)

        b.subscribe("e", handler)
        self.send_all(a, b, 2000)
        self.process_until(b, lambda: len(depths) == 2000)
        self.assertEqual(set(depths), {1})
        self.assertEqual(self.next(a).args, (0,))

    def test_answer_comes_later(self) -> None:
        """A script that gets ready for the answer behind send() is not surprised by it."""
        a, b = self.pair()
        b.subscribe("e", lambda n: b.send("answer", n))
        answers = []
        a.subscribe("answer", answers.append)
        self.send_all(a, b, 1)
        b.processInput()
        self.assertTrue(a.wait(support.PATIENCE))
        send = a._send
        a._send = lambda *args: (self.assertEqual(answers, [0]), send(*args))
        a.send("e", 1)
        del a._send
        b.wait(support.PATIENCE)
        b.processInput()
        self.assertEqual(answers, [0])

    def test_sends_though_a_handler_raises(self) -> None:
        a, b = self.pair("e")
        a.subscribe("answer", lambda: 1 / 0)
        while not a.wait(0.1):
            b.send("answer")
        with self.assertRaises(ZeroDivisionError):
            a.send("e", 5)
        self.assertEqual(self.next(b).args, (5,))

    def test_deletes_within(self) -> None:
        a, b = self.pair()
        b.subscribe("e", lambda n: b.connDelete())
        self.send_all(a, b, 2)
        with self.assertRaises(ClosedError):
            b.processInput()
        self.assertTrue(b.closed)

    def test_several_and_yield(self) -> None:
        a, b = self.pair(flags=BRO_CFLAG_YIELD)
        got = []
        b.subscribe("e", got.append)
        b.subscribe("e", lambda n: got.append(-n))
        self.send_all(a, b, 2)
        b.processInput()
        self.assertEqual(got, [0, 0])
        self.assertTrue(b.wait(support.PATIENCE))
        b.processInput()
        self.assertEqual(got, [0, 0, 1, -1])

    def test_declared(self) -> None:
        """@event in all its forms: another process, since each connection from then on has them."""
        process = self.script(
            "import sys, socket, threading\n"
            "from tests import support\n"
            "from broccoli import *\n"
            "@event\n"
            "def one(a): print('one', a)\n"
            "@event()\n"
            "def two(a): print('two', a)\n"
            "@event(count, name='Three::three')\n"
            "def anything(a): print('three', repr(a))\n"
            "assert one.__name__ == 'one'\n"
            "case = support.Case()\n"
            "a, b = case.pair('end')\n"
            "for name in 'one', 'two', 'Three::three': a.send(name, count(5))\n"
            "a.send('end')\n"
            "case.next(b)\n"
            "case.doCleanups()\n", PYTHONPATH=os.path.dirname(os.path.dirname(__file__)))
        self.assertEqual(self.output(process), "one 5\ntwo 5\nthree count(5)\n")

    def test_intern(self) -> None:
        """The functions in C that the old module had."""
        collector = self.collector("e")
        self.assertEqual(bro_init(None), 1)
        a, b = (bro_conn_new_str(collector.address, BRO_CFLAG_NONE) for _ in "ab")
        got = []
        bro_event_registry_add_compact(b, "e", lambda *args: got.append(args))
        for bc in a, b:
            bro_conn_set_class(bc, "old")
            self.assertEqual(bro_conn_connect(bc), 1)
        ev = bro_event_new("e")
        bro_event_add_val(ev, (BRO_TYPE_COUNT, 5))
        bro_event_add_val(ev, port("80/tcp").internalVal())

        def arrives() -> list:
            bro_event_send(a, ev)
            select.select([bro_conn_get_fd(b)], [], [], 0.1)
            bro_conn_process_input(b)
            return got

        self.until(arrives, "nothing arrived")
        bro_event_free(ev)
        self.assertEqual(got[0], ((BRO_TYPE_COUNT, 5), (BRO_TYPE_PORT, (80, 6))))
        self.assertEqual([bro_conn_alive(bc) for bc in (a, b)], [1, 1])
        self.assertEqual([bro_conn_delete(bc) for bc in (a, b)], [1, 1])
        with Connection(collector.address) as bc, self.assertRaises(TypeError):
            self.assertEqual(bro_conn_alive(bc.bc), 1)
            intern.bro_conn_process_input(bc.bc)


class Ends(support.Case):
    def test_garbage(self) -> None:
        """Who forgets a connection has closed it: the peer sees the end, and no descriptor is left."""
        a, b = self.pair("e")
        gone = weakref.ref(a)
        a.send("e", 1)
        a._handlers["x"] = a  # a cycle
        self._cleanups.clear()
        del a
        gc.collect()
        self.assertIsNone(gone())
        self.assertEqual(self.next(b).args, (1,))
        self.until(lambda: (b.take(), b.ended)[1], "the peer does not see the end")
        self.assertIn("closed", b.error)
        b.close()

    def test_descriptors(self) -> None:
        collector = self.collector("e")

        def use() -> int:
            for _ in range(20):
                Connection(collector.address, flags=BRO_CFLAG_NONE)
            gc.collect()
            return len(os.listdir("/proc/self/fd"))

        before = use()
        self.assertEqual(use(), before)

    def test_iteration_ends(self) -> None:
        a, b = self.pair("e")
        for n in range(5):
            a.send("e", n)
        a.close()
        self.assertEqual([e.args[0] for e in b], list(range(5)))

    def test_exit_sends(self) -> None:
        """What a script has sent arrives, though it ends without close()."""
        collector = self.collector("e")
        self.output(self.script(
            "import sys\n"
            "from broccoli import *\n"
            "bc = Connection(sys.argv[1])\n"
            "for n in range(100): bc.send('e', n)\n", collector.address,
            PYTHONPATH=os.path.dirname(os.path.dirname(__file__))))
        self.assertEqual([collector.line()["args"]["arg1"] for _ in range(100)], list(range(100)))

    def test_reconnects(self) -> None:
        collector = self.collector("e")
        bc = self.connect(collector, "e", flags=BRO_CFLAG_RECONNECT | BRO_CFLAG_ALWAYS_QUEUE)
        port_ = int(collector.address.rpartition(":")[2])
        collector.stop()
        self.until(lambda: not bc.alive, "the end was not seen")
        self.assertNotEqual(bc.error, "")
        self.assertFalse(bc.ended)
        bc.send("e", 1)
        again = self.collector("e", port=port_)
        self.assertEqual(again.line()["args"]["arg1"], 1)
        self.assertTrue(bc.alive)
        self.assertEqual(bc.error, "")
