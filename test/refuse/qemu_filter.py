#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Stands between the harness and QEMU, and spoils what comes of a boot with two workers under the server.

FILTER_DROP: lines that match do not arrive. FILTER_KILL_AT: at the first line that matches QEMU is killed, and this
process ends as it did. Both are regular expressions; empty ones match nothing.
"""

import os
import re
import signal
import subprocess
import sys

QEMU = "qemu-system-x86_64"


def main() -> int:
    words = " ".join(sys.argv).split()
    if "--version" in words or "workers=2" not in words or "server=on" not in words:
        os.execvp(QEMU, [QEMU, *sys.argv[1:]])
    drop, kill_at = (os.environ.get(f"FILTER_{name}") or r"(?!)" for name in ("DROP", "KILL_AT"))
    qemu = subprocess.Popen([QEMU, *sys.argv[1:]], stdout=subprocess.PIPE)
    assert qemu.stdout is not None
    for line in qemu.stdout:
        text = line.decode("utf-8", "replace")
        if not re.search(drop, text):
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        if re.search(kill_at, text):
            qemu.kill()
    status = qemu.wait()
    if status < 0:
        os.kill(os.getpid(), signal.Signals(-status))
    return status


sys.exit(main())
