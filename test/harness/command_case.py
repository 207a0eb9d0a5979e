# SPDX-License-Identifier: MIT
"""What the tests of whole commands share: a build tree with nothing in it, and a stand-in for QEMU.

call() runs a command in a process of its own that has all modules already, as a fork of the test; command() is the
command line for those who want a process from the start.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import ROOT

from coxswain import __main__ as coxswain

FAKE = Path(__file__).with_name("fake_qemu.py")


def processes_of(build: Path) -> list[int]:
    """Every process that has the build tree on its command line, as each QEMU of a test has."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(build) in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _become(arguments, environment, out, err):
    """In the fork: standard output and error are the files, and nothing of the test goes on."""
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    sys.stdout, sys.stderr = (open(fd, "w", encoding="utf-8", closefd=False) for fd in (1, 2))
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(coxswain.main(arguments))


def fork(arguments, environment) -> subprocess.CompletedProcess:
    import matplotlib.pyplot  # noqa: F401  once for all, instead of once a command

    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = multiprocessing.get_context("fork").Process(target=_become, args=(arguments, environment, out, err))
        child.start()
        child.join(60)
        if child.exitcode is None:
            child.kill()
            raise subprocess.TimeoutExpired(arguments, 60)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, child.exitcode, out.read(), err.read())


class CommandTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="coxswain, a test ")
        self.addCleanup(folder.cleanup)
        self.build = Path(folder.name) / "build"
        self.build.mkdir()
        for name in ("coxswain.elf", "archive.cpio"):
            (self.build / name).write_bytes(b"not a kernel")

    def environment(self, how, **more):
        return {**os.environ, "PYTHONPATH": str(ROOT / "scripts"),
                "COXSWAIN_QEMU": str(FAKE), "FAKE_QEMU": how, **more}  # fmt: skip

    def arguments(self, name, *arguments):
        where = ["--no-build", "--build-dir", str(self.build)] if name == "run" else ["--build", str(self.build)]
        return [name, *where, *arguments]

    def command(self, name, *arguments):
        return [sys.executable, "-m", "coxswain", *self.arguments(name, *arguments)]

    def call(self, name, *arguments, how="", **more):
        return fork(self.arguments(name, *arguments), self.environment(how, **more))

    def run_(self, *arguments, how="", **more):
        return self.call("run", "--accel", "tcg", *arguments, how=how, **more)

    target = "smp-process-scale"  # whose results are looked at

    @property
    def latest(self):
        return self.build / "results" / self.target / "latest"

    def context(self):
        return json.loads((self.latest / "result.json").read_text())["context"]
