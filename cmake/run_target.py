#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs a command with the words of COXSWAIN_RUN_ARGS, split as a shell splits them, added at its end."""

import os
import shlex
import sys

command = sys.argv[1:] + shlex.split(os.environ.get("COXSWAIN_RUN_ARGS", ""))
os.execv(command[0], command)
