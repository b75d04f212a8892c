"""Signals: during a wait, and while events are read."""

import os
import signal
import threading

from . import support

from broccoli import *
from broccoli import _signals

FOLDER = os.path.dirname(os.path.dirname(__file__))


class Interrupt(Exception):
    pass


class Waits(support.Case):
    def interrupted(self, wait: str) -> None:
        process = self.script(
            "import asyncio, signal, sys\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been ignored\n"
            "from tests import support\n"
            "case = support.Case()\n"
            "a, b = case.pair('e')\n"
            "print('waiting', flush=True)\n"
            "try:\n"
            f"    {wait}\n"
            "except KeyboardInterrupt:\n"
            "    print('interrupted')\n"
            "a.send('e', 5)\n"
            "print(case.next(b).args)\n"
            "case.doCleanups()\n", PYTHONPATH=FOLDER)
        self.assertEqual(process.stdout.readline(), "waiting\n")
        timer = threading.Timer(0.3, process.send_signal, [signal.SIGINT])
        timer.start()
        self.assertEqual(self.output(process), "interrupted\n(5,)\n")
        timer.join()

    def test_wait(self) -> None:
        self.interrupted("b.wait()")

    def test_iteration(self) -> None:
        self.interrupted("next(iter(b))")

    def test_asyncio(self) -> None:
        self.interrupted("asyncio.run(b.__aiter__().__anext__())")

    def test_handler_that_returns(self) -> None:
        """The wait goes on, and the handler may use the connection."""
        a, b = self.pair("e")
        seen = []

        def handler(number: int, _frame: object) -> None:
            seen.append(number)
            a.send("e", len(seen))

        before = signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            self.assertEqual(self.next(b).args, (1,))
        finally:
            signal.signal(signal.SIGALRM, before)
        self.assertEqual(seen, [signal.SIGALRM])


class Storm(support.Case):
    def test_no_event_is_lost(self) -> None:
        """
        A handler that raises, a thousand times a second: each exception comes out of the calls of this
        module, and no event goes with one. Without _signals.py some do, and ctypes prints them.
        """
        process = self.script(
            "import signal\n"
            "from tests import support\n"
            "from tests.test_signals import Interrupt\n"
            "case = support.Case()\n"
            "a, b = case.pair('e')\n"
            "N = 20000\n"
            "raised, shown, got = 0, 0, []\n"
            "def handler(*_):\n"
            "    global raised, armed\n"
            "    if armed:\n"
            "        raised, armed = raised + 1, False\n"
            "        raise Interrupt\n"
            "armed = False\n"
            "signal.signal(signal.SIGALRM, handler)\n"
            "signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\n"
            "n = 0\n"
            "while len(got) < N:\n"
            "    while n < N and n - len(got) < 500:\n"
            "        a.send('e', n, 'some text', [n, n])\n"
            "        n += 1\n"
            "    b.wait(1)\n"
            "    try:\n"
            "        armed = True\n"
            "        b.bc.call(support.broccoli._handle._process_input)\n"
            "        armed = False\n"
            "    except Interrupt:\n"
            "        shown += 1\n"
            "    finally:\n"
            "        armed = False\n"
            "    while (e := b.take()): got.append(e.args[0])\n"
            "signal.setitimer(signal.ITIMER_REAL, 0)\n"
            "print(got == list(range(N)), raised > 0, raised == shown)\n"
            "case.doCleanups()\n", PYTHONPATH=FOLDER)
        self.assertEqual(self.output(process), "True True True\n")

    def test_mask_is_given_back(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        try:
            during = _signals.without_signals(signal.pthread_sigmask, signal.SIG_BLOCK, [])
            after = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.assertIn(signal.SIGINT, during)
        self.assertNotIn(signal.SIGSEGV, during)
        self.assertEqual(after, before | {signal.SIGUSR1})
