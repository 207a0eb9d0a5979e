#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes a cpio archive in the newc format: make_archive.py OUT NAME=FILE...

The same inputs give the same bytes: entries are sorted, and owner, time and inode number are constant.
"""

import os
import sys


def entry(name: str, data: bytes, inode: int, mode: int) -> bytes:
    raw_name = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw_name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + raw_name
    return pad(header) + pad(data)


def pad(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def main() -> None:
    out, *arguments = sys.argv[1:]
    files = dict(argument.split("=", 1) for argument in arguments)
    archive = b""
    for inode, name in enumerate(sorted(files), start=1):
        with open(files[name], "rb") as file:
            archive += entry(name, file.read(), inode, 0o100755)
    archive += entry("TRAILER!!!", b"", 0, 0)
    temporary = out + ".tmp"
    with open(temporary, "wb") as file:
        file.write(archive)
    os.replace(temporary, out)  # an interrupted build leaves no half archive behind


if __name__ == "__main__":
    main()
