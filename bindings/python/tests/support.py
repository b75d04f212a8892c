"""What the tests have in common: the built library, collectors, connections to each other."""

from __future__ import annotations

import atexit
import json
import os
import pathlib
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = os.environ.get("ROMANESCO_BUILD", str(ROOT / "build"))
PATIENCE = 30.0

if not os.path.exists(os.path.join(BUILD, "lib", "libbroccoli.so.5")):
    raise unittest.SkipTest('needs the built library: run "make test-python"')

_folder = tempfile.mkdtemp(prefix="test-broccoli-")
atexit.register(shutil.rmtree, _folder, True)


def configuration(text: str) -> str:
    """A file for BROCCOLI_CONFIG_FILE."""
    fd, name = tempfile.mkstemp(suffix=".conf", dir=_folder)
    with os.fdopen(fd, "w") as f:
        f.write(text)
    return name


os.environ.setdefault("BROCCOLI_LIBRARY", os.path.join(BUILD, "lib", "libbroccoli.so.5"))
os.environ["BROCCOLI_CONFIG_FILE"] = configuration("")

import broccoli  # noqa: E402


class Collector:
    """A collector that asks for events and sends them on to those that ask for them."""

    def __init__(self, *names: str, port: int = 0) -> None:
        events = [arg for name in names for arg in ("-event", name)]
        pattern = "/" + "|".join(names) + "/"
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "bin", "broccoli-collector"), "-listen", f"127.0.0.1:{port}", "-forward", *events,
             pattern],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.address = self._listens()
        self.lines: queue.Queue = queue.Queue()
        self._threads = [threading.Thread(target=self._read, daemon=True),
                         threading.Thread(target=self._drain, daemon=True)]
        for thread in self._threads:
            thread.start()

    def _listens(self) -> str:
        said = []
        for line in self.process.stderr:
            if "listening on " in line:
                return line.split("listening on ")[1].split()[0]
            said.append(line)
        raise AssertionError(f"the collector has ended: {''.join(said)}")

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def _drain(self) -> None:
        for _ in self.process.stderr:
            pass

    def line(self) -> dict:
        """The next event that it has written."""
        return self.lines.get(timeout=PATIENCE)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()


class Case(unittest.TestCase):
    def collector(self, *names: str, port: int = 0) -> Collector:
        collector = Collector(*names, port=port)
        self.addCleanup(collector.stop)
        return collector

    def connect(self, collector: Collector, *subscriptions: str, flags: int = broccoli.BRO_CFLAG_NONE,
                types: object = ()) -> broccoli.Connection:
        connection = broccoli.Connection(collector.address, flags=flags, connect=False)
        self.addCleanup(connection.close)
        for name in subscriptions:
            connection.subscribe(name, types=types)
        connection.connect()
        return connection

    def pair(self, *subscriptions: str, types: object = (), flags: int = broccoli.BRO_CFLAG_NONE) -> tuple:
        """Two connections that are connected to each other; the second has the subscriptions."""
        ends = [broccoli.Connection.from_socket(end, connect=False, flags=flags) for end in socket.socketpair()]
        for end in ends:
            self.addCleanup(end.close)
        for name in subscriptions:
            ends[1].subscribe(name, types=types)
        other = threading.Thread(target=ends[1].connect)
        other.start()
        ends[0].connect()
        other.join()
        return tuple(ends)

    def asked(self, source: broccoli.Connection, to: broccoli.Connection) -> None:
        """Waits until source knows what to has subscribed to since it was connected."""
        to.subscribe("asked")
        while not to.wait(0.1):
            source.send("asked", False)
        source.send("asked", True)
        while not self.next(to).args[0]:
            pass

    def next(self, connection: broccoli.Connection) -> broccoli.Event:
        """The next event that has come."""
        end = time.monotonic() + PATIENCE
        while (event := connection.take()) is None:
            left = end - time.monotonic()
            if left <= 0 or connection.ended:
                self.fail(f"no event came: {connection.error}")
            connection.wait(left)
        return event

    def until(self, condition: object, what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                self.fail(what)
            time.sleep(0.01)

    def script(self, text: str, *args: str, **env: str) -> subprocess.Popen:
        """Runs a script with this Python."""
        process = subprocess.Popen([sys.executable, "-c", text, *args], env={**os.environ, **env},
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self._end, process)
        return process

    def _end(self, process: subprocess.Popen) -> None:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()

    def output(self, process: subprocess.Popen) -> str:
        """What a script has said, which was to end well."""
        out, err = process.communicate(timeout=2 * PATIENCE)
        self.assertEqual((process.returncode, err), (0, ""))
        return out
