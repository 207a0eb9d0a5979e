# SPDX-License-Identifier: MIT
"""A made-up guest's memory for scripts/run --top: the status table, the counters of two CPUs, and the names."""

import struct

import trace_case
from coxswain.trace_file import CAUSES, STATES, STATS

TABLE, STATS_AT, STRIDE, AREA = 0x10000, 0x40000, 704, 0x5000
LIVE = f"live: table=0x{TABLE:x} threads=2048 cpus=2 stats=0x{STATS_AT:x} stride={STRIDE} tsc_hz={trace_case.TSC_HZ}"
WORKER, WAITER, UNPLACED = (3, 1), (4, 1), (5, 2)


def line(slot, generation, state, cpu=0, wakes=0, domain=1, label=0, cause="none"):
    word = CAUSES.index(cause) << 26 | cpu << 8 | STATES.index(state)
    return slot, struct.pack("<QQQQQQQII", word, generation << 32 | slot, 0, 0, wakes, 0, label, domain, 0)


def memory(lines, stats=None):
    """`lines`: of line(). `stats`: by CPU, counters that are not 0."""
    made = bytearray(0x80000)
    for slot, text in lines:
        made[TABLE + slot * 64 : TABLE + slot * 64 + 64] = text
    for cpu in range(2):
        counted = [(stats or {}).get(cpu, {}).get(name, 0) for name in STATS]
        struct.pack_into(f"<{len(STATS)}Q", made, STATS_AT + cpu * STRIDE, *counted)
    area = trace_case.area([[], []], names=trace_case.NAMES_OF_KNOWN)
    made[AREA : AREA + len(area)] = area
    return bytes(made)


KNOWN = [
    line(*WORKER, "running", 0, wakes=5, label=0),
    line(*WAITER, "queued", 0, wakes=2),
    line(*UNPLACED, "unplaced", 1, wakes=7),
]


def leave(path, say):
    with open(path, "r+b") as file:
        file.write(memory(KNOWN))
    say(f"trace: address=0x{AREA:x} bytes=4096 records=16 classes=0x200")
    say(LIVE)
