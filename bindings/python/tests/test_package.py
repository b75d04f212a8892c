"""The module as it is installed."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import zipfile

from . import support

import broccoli

MODULE = pathlib.Path(broccoli.__file__).parent


def builds_wheels() -> bool:
    """Whether pip, and a setuptools that makes wheels, are here."""
    return subprocess.run([sys.executable, "-c", "import setuptools\ntry: import setuptools.command.bdist_wheel\n"
                                                 "except ImportError: import wheel\nimport pip"],
                          stderr=subprocess.DEVNULL).returncode == 0


class Package(support.Case):
    def test_version(self) -> None:
        version = (support.ROOT / "VERSION").read_text().strip()
        self.assertEqual(broccoli.__version__, version)
        self.assertIn(f'version = "{version}"', (support.ROOT / "bindings/python/pyproject.toml").read_text())

    def test_names(self) -> None:
        """What scripts got by "from broccoli import *"."""
        scope: dict = {}
        exec("from broccoli import *", scope)
        for name in ("Connection event record_type record count addr port subnet enum interval time string double "
                     "unknown current_time bro_init bro_conn_new_str BRO_TYPE_SET BRO_CFLAG_CACHE").split():
            self.assertIn(name, scope)
        for name in ("set", "list", "bytes", "type"):
            self.assertNotIn(name, scope)

    def test_constants(self) -> None:
        """The numbers are those of the headers."""
        for header in ("broccoli.h", "romanesco.h"):
            text = pathlib.Path(support.BUILD, "include", header).read_text()
            for name, value in re.findall(r"^#define (BRO_(?:TYPE|CFLAG)_\w+) (\(1 << \d+\)|\d+)$", text, re.M):
                self.assertEqual(getattr(broccoli, name), eval(value), name)

    @unittest.skipUnless(builds_wheels(), "needs pip, and setuptools with wheel")
    def test_wheel(self) -> None:
        """It has all files, and is what Python imports."""
        with tempfile.TemporaryDirectory() as folder:
            make = ["make", "-C", str(support.ROOT), "wheel", f"BUILD={folder}", f"PYTHON={sys.executable}"]
            made = subprocess.run(make, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual(made.returncode, 0, made.stdout)
            [wheel] = pathlib.Path(folder, "wheel").iterdir()
            self.assertEqual(wheel.name, f"romanesco_broccoli-{broccoli.__version__}-py3-none-any.whl")
            with zipfile.ZipFile(wheel) as files:
                files.extractall(folder)
            has = {path.name for path in pathlib.Path(folder, "broccoli").iterdir()}
            self.assertEqual(has, {path.name for path in MODULE.iterdir()} - {"__pycache__"})
            script = ("import sys; del sys.path[0]; import broccoli, importlib.metadata as m; "
                      "print(m.version('romanesco-broccoli'), broccoli.__file__)")
            said = self.output(self.script(script, PYTHONPATH=folder))
            self.assertEqual(said.split(), [broccoli.__version__, os.path.join(folder, "broccoli", "__init__.py")])
