#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Stands in for QEMU: prints what a guest would print and ends with its status. FAKE_QEMU says how it misbehaves.

FAKE_QEMU is a word, or `word@server/workers` for a misbehaviour of the runs with that many workers only, where
server is on or off. FAKE_QEMU_NS is the length of the timed section.
"""

import os
import signal
import sys
import time

import top_case
import trace_case
from support import TARGETS, scale_texts, suite_texts
from workload_case import WORKLOADS, workload_texts


def argument(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def say(text: str) -> None:
    sys.stdout.buffer.write(text.encode() + b"\r\n")
    sys.stdout.buffer.flush()


def misbehaviour(words: dict[str, str]) -> str:
    word, _, where = os.environ.get("FAKE_QEMU", "").partition("@")
    return word if where in ("", f"{words.get('server')}/{words.get('workers')}") else ""


def hang() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("waiting for what never comes")
    time.sleep(1000)


def guest_test(how: str) -> int:
    texts = suite_texts(failing={1: "it broke"} if how == "fail" else None)
    for text in texts[:-1] if how == "short" else texts:
        say(text)
    return 35 if how == "fail" else 33


def scaling_run(how: str, words: dict[str, str]) -> int:
    if words["policy"] == "nosuch":
        say('error: policy "nosuch" unknown; known: fifo round_robin')
        return 35
    workers, cpus = int(words["workers"]), int(argument("-smp"))
    ns = int(os.environ.get("FAKE_QEMU_NS", "40000000")) // workers
    lies = {"result_changes": {"count": 5}} if how == "wrong" else {}
    lies["target"] = TARGETS[words["manifest"]]
    for text in scale_texts(workers, cpus, words["server"] == "on", words["policy"], ns, **lies):
        if text.startswith("run: phase=end"):
            time.sleep(ns / 1e9)
            if how == "short":
                return 33
        say(text)
    return 33


def workload_run(how: str, words: dict[str, str]) -> int:
    """Under fifo everything takes half as long."""
    if words["policy"] == "nosuch":
        say('error: policy "nosuch" unknown; known: fifo round_robin')
        return 35
    changes = {"wrong": {"verified": "no", "reason": '"made so"'}, "fallback": {"fallback_dispatches": 5}}
    times = 10_000 if words["policy"] == "fifo" else 20_000
    workload, cpus = WORKLOADS[words["manifest"]], int(argument("-smp"))
    for text in workload_texts(workload, words["policy"], cpus, words["size"], words["seed"], times, changes.get(how)):
        say(text)
    return 35 if how == "wrong" else 33


def leave_trace(how: str) -> None:
    """The known trace in the guest's memory, where -object says that this is."""
    path = argument("-object").split("mem-path=")[1].split(",")[0]
    area = trace_case.known(rings=trace_case.with_record(1, 3, bytes(32))) if how == "bad-trace" else trace_case.known()
    if how == "odd-trace":  # whole, but it says what cannot be
        area = trace_case.known(stats={0: {}, 1: {}})
    with open(path, "r+b") as memory:
        memory.seek(0x5000)
        memory.write(area)
    if how != "no-trace":
        say(f"trace: address=0x5000 bytes={len(area)} records={trace_case.CAPACITY} classes=0x1ff")


def main() -> int:
    if "--version" in sys.argv:
        print("QEMU emulator version 0.0 (fake)")
        return 0
    words = dict(word.split("=", 1) for word in argument("-append").split())
    how = misbehaviour(words)
    say("\x1b[2JSeaBIOS (fake)")
    if "names" in words.get("trace", ""):
        top_case.leave(argument("-object").split("mem-path=")[1].split(",")[0], say)
    elif "-object" in sys.argv:
        leave_trace(how)
    if how == "hang":
        hang()
    if how == "triple-fault":
        return 0
    if how == "panic":
        say("panic: cpu=0 cause=page_fault rip=0xffffffff80001000")
        say("panic: frame=0xffffffff80001234")
        return 37
    if how == "qemu-error":
        print("qemu: could not do it", file=sys.stderr)
        return 1
    if "root" in words:
        return guest_test(how)
    return workload_run(how, words) if words["manifest"] in WORKLOADS else scaling_run(how, words)


sys.exit(main())
