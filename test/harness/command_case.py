# SPDX-License-Identifier: MIT
"""What the tests of whole commands share: a build tree with nothing in it, and a stand-in for QEMU."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import ROOT

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

    def command(self, name, *arguments):
        where = ["--no-build", "--build-dir", str(self.build)] if name == "run" else ["--build", str(self.build)]
        return [sys.executable, "-m", "coxswain", name, *where, *arguments]

    def call(self, name, *arguments, how="", **more):
        return subprocess.run(self.command(name, *arguments), env=self.environment(how, **more), timeout=60,
                              capture_output=True, text=True, check=False)  # fmt: skip

    def run_(self, *arguments, how="", **more):
        return self.call("run", "--accel", "tcg", *arguments, how=how, **more)

    target = "smp-process-scale"  # whose results are looked at

    @property
    def latest(self):
        return self.build / "results" / self.target / "latest"

    def context(self):
        return json.loads((self.latest / "result.json").read_text())["context"]
