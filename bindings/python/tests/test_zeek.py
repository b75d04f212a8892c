"""With a real Zeek, over its WebSockets: ROMANESCO_ZEEK is the program."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import unittest

from . import support

ZEEK = os.environ.get("ROMANESCO_ZEEK")
HERE = os.path.dirname(os.path.abspath(__file__))


@unittest.skipUnless(ZEEK, "needs a real Zeek: ROMANESCO_ZEEK=program")
class Zeek(support.Case):
    def test_values(self) -> None:
        address = self.zeek()
        configuration = support.configuration(f"/broccoli/zeek_types {HERE}/values.zeek\n")
        out = subprocess.run([sys.executable, os.path.join(HERE, "zeek_client.py"), address], text=True,
                             stdout=subprocess.PIPE, timeout=4 * support.PATIENCE,
                             env={**os.environ, "BROCCOLI_CONFIG_FILE": configuration,
                                  "PYTHONPATH": os.path.dirname(HERE)})
        self.assertEqual((out.returncode, out.stdout), (0, "Site::back []\nTrue\n"))

    def zeek(self) -> str:
        """Starts a Zeek with the scripts that send back what comes, and returns its address."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        scripts = [str(support.ROOT / "zeek/scripts"), str(support.ROOT / "zeek/scripts/listen.zeek"),
                   f"{HERE}/values.zeek", f"{HERE}/echo.zeek", f"SSHDSensor::listen_port={port}/tcp"]
        said = open(os.path.join(folder.name, "said"), "w+")
        process = subprocess.Popen([ZEEK, "-b", *self.backend(), *scripts], cwd=folder.name, stdout=said, stderr=said)
        self.addCleanup(said.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.until(lambda: process.poll() is not None or listens(port), "Zeek does not listen")
        said.seek(0)
        self.assertIsNone(process.poll(), said.read())
        return f"ws://127.0.0.1:{port}"

    def backend(self) -> list:
        """Since 8.1 a Zeek by itself has none, unless it is told."""
        said = subprocess.run([ZEEK, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        major, minor = map(int, re.search(r"(\d+)\.(\d+)", said).groups())
        return ["frameworks/cluster/backend/broker"] if (major, minor) >= (8, 1) else []


def listens(port: int) -> bool:
    """Asks the kernel: Zeek complains of who connects and says nothing."""
    with open("/proc/net/tcp") as f:
        return re.search(f":{port:04X} 00000000:0000 0A", f.read()) is not None
