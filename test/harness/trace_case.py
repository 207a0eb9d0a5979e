# SPDX-License-Identifier: MIT
"""A made-up trace area, byte for byte as the kernel lays it out (docs/tracing.md), and every byte open to a lie."""

import struct

import support  # noqa: F401  (puts the harness on the path)
from coxswain.trace_file import CAUSES, CLASSES, KINDS, STATES, STATS

TSC_HZ = 1_000_000_000  # a tick is a ns
CAPACITY, NAMES = 16, 4
CODES = {name: code for code, (name, _) in enumerate(KINDS, 1)}
AGENT, DOMAIN, RESUMED = 1, 2, 4


def word(state, cause="none", cpu=0, sequence=1, kernel=False, kill=False):
    """`sequence` counts from the start on; before that the line's first thread was created."""
    return (sequence + 1) << 32 | CAUSES.index(cause) << 26 | kernel << 25 | kill << 16 | cpu << 8 | STATES.index(state)


def record(tsc, kind, slot=0, generation=0, a=0, b=0):
    code = CODES[kind] if isinstance(kind, str) else kind
    return struct.pack("<QHBBIQQ", tsc, slot, 0, code, generation, a, b)


def area(rings, names=(), classes=CLASSES, stats=None, capacity=CAPACITY, magic=b"COXTRACE", version=1, base=0):
    """`rings`: for each CPU its records, all that were ever written. `names`: (slot, generation, process, label, domain)."""
    names_at = 128 + 192 * len(rings)
    records_at = names_at + 48 * NAMES
    mask = sum(1 << CLASSES.index(name) for name in classes)
    header = struct.pack("<8sIIIIQQQQQQ", magic, version, 32, len(rings), mask, TSC_HZ, names_at, NAMES, records_at, capacity, len(names))
    made = header.ljust(128, b"\0")
    for cpu, ring in enumerate(rings):
        counted = [(stats or {}).get(cpu, {}).get(name, 0) for name in STATS]
        at_end = len(ring) if stats is not None else 2**64 - 1
        made += struct.pack("<QQ19Q24x", len(ring), at_end, *counted)
    for slot, generation, process, label, domain in names[:NAMES]:
        made += struct.pack("<QQQ24s", generation << 32 | slot, label, domain, process.encode())
    made = made.ljust(records_at, b"\0")
    for ring in rings:
        slots = [bytes(32)] * capacity
        for position, each in enumerate(ring):
            slots[position % capacity] = each
        made += b"".join(slots)
    return made


# Two CPUs: root (a system thread) starts worker 3.1 of the domain, the agent of CPU 1 commits it there, it blocks and exits.
ROOT, AGENT1, WORKER = (0, 1), (1, 1), (3, 1)
NAMES_OF_KNOWN = [(0, 1, "workers/root", 0, 0), (1, 1, "sched-server", 1, 0), (3, 1, "workers/primes", 0, 1)]
KNOWN = [
    [
        record(1000, "wake", *ROOT, word("queued", "started", 0, 1, kernel=True)),
        record(1500, "dispatch", *ROOT, word("running", "started", 0, 1, kernel=True), 0),
        record(1600, "call", *ROOT, 0x200 << 8, 7),
        record(2000, "wake", *WORKER, word("unplaced", "started", 1, 1)),
        record(2100, "event", 0, 0, 3, 1),
        record(2200, "ipi", 0, 0, 1),
        record(9000, "stop", *ROOT, word("waiting", "blocked", 0, 2)),
    ],
    [
        record(1100, "wake", *AGENT1, word("queued", "started", 1, 1, kernel=True)),
        record(2500, "dispatch", *AGENT1, word("running", "started", 1, 1, kernel=True), AGENT),
        record(2800, "commit", *WORKER, word("queued", "started", 1, 2), 5_000_000 << 8),
        record(3000, "stop", *AGENT1, word("waiting", "blocked", 1, 2)),
        record(3100, "dispatch", *WORKER, word("running", "started", 1, 2), DOMAIN | 5_000_000 << 8),
        record(7000, "stop", *WORKER, word("gone", "exited", 1, 3)),
        record(7001, "gone", *WORKER, word("gone", "exited", 1, 3), 0),
    ],
]
COUNTED = {
    0: {"system_dispatches": 1, "events_posted": 1, "ipis_sent": 1},
    1: {"server_dispatches": 1, "agent_dispatches": 1, "commits_accepted": 1},
}


def known(**changes):
    return area(**{"rings": KNOWN, "names": NAMES_OF_KNOWN, "stats": COUNTED, **changes})


def with_record(cpu, number, made):
    """The known trace with one record replaced."""
    rings = [list(ring) for ring in KNOWN]
    rings[cpu][number] = made
    return rings
