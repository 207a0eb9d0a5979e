# SPDX-License-Identifier: MIT
"""The transitions of a thread's state word: the one table behind the spin model and the check of traces.

`test/model/scheduling.pml` may change a state by a row of it alone, and a test sees that every row is taken there
(`test/model/transitions.py`). `trace_transitions` holds what a kernel has recorded against the same rows. Whoever changes the
table, the model or the kernel alone makes a test fail.

A row is named after the function in `microkernel/core/thread_word.hpp`. Short forms that do the same are not rows of their own, and
calls that switch straight to another thread are off while a trace is taken. Requests and pending wakes change no state.
"""

from __future__ import annotations

from typing import NamedTuple

KEPT = ("kept",)  # instead of causes: the word keeps the one that it had


class Transition(NamedTuple):
    name: str
    before: str
    after: str
    rise: int  # of the sequence number
    owner: bool  # by the CPU in the word alone; else by anyone
    records: tuple[str, ...]  # the kinds of record that say so; none: it leaves none
    causes: tuple[str, ...]  # that may stand in the new word


TRANSITIONS = (
    Transition("create", "free", "created", 1, False, (), ("none",)),
    Transition("start", "created", "unplaced", 1, False, ("wake",), ("started",)),
    Transition("start_to_queue", "created", "queued", 1, False, ("wake",), ("started",)),
    Transition("wake", "waiting", "unplaced", 1, False, ("wake",), ("woken",)),
    Transition("wake_to_queue", "waiting", "queued", 1, False, ("wake",), ("woken",)),
    Transition("wake_hinted", "waiting", "queued", 1, False, ("wake",), ("woken",)),
    Transition("place", "unplaced", "queued", 1, False, ("commit",), KEPT),
    Transition("place_by_kernel", "unplaced", "queued", 0, False, ("place",), ("no_server", "watchdog")),
    Transition("dispatch", "queued", "running", 0, True, ("dispatch",), KEPT),
    Transition("requeue", "running", "queued", 0, True, ("stop",), ("slice_end", "yielded", "fallback_slice", "agent_overrun")),
    Transition("block", "running", "waiting", 1, True, ("stop",), ("blocked", "calls")),
    Transition("block", "running", "suspended", 1, True, ("stop",), ("suspended",)),
    Transition("unplace", "running", "unplaced", 1, True, ("stop",),
               ("slice_end", "yielded", "recalled", "affinity_changed", "returned", "cpu_lost", "resumed")),
    Transition("unplace", "queued", "unplaced", 1, True, ("return",),
               ("recalled", "affinity_changed", "returned", "cpu_lost", "resumed")),
    Transition("unplace", "running", "suspended", 1, True, ("stop",), ("suspended",)),
    Transition("unplace", "queued", "suspended", 1, True, ("return",), ("suspended",)),
    Transition("exit", "running", "gone", 1, True, ("stop", "gone"), ("exited", "killed", "faulted")),
    Transition("exit", "queued", "gone", 1, True, ("gone",), ("killed",)),
    Transition("suspend", "waiting", "suspended", 1, False, (), ("suspended",)),
    Transition("suspend", "unplaced", "suspended", 1, False, (), ("suspended",)),
    Transition("resume", "suspended", "waiting", 1, False, (), ("resumed",)),
    Transition("resume", "suspended", "unplaced", 1, False, ("wake",), ("resumed",)),
    Transition("resume", "suspended", "queued", 1, False, ("wake",), ("resumed",)),
    Transition("kill", "created", "gone", 1, False, ("gone",), ("killed",)),
    Transition("kill", "waiting", "gone", 1, False, ("gone",), ("killed",)),
    Transition("kill", "unplaced", "gone", 1, False, ("gone",), ("killed",)),
    Transition("kill", "suspended", "gone", 1, False, ("gone",), ("killed",)),
    Transition("take_back", "created", "gone", 1, False, (), ("killed",)),
    Transition("free", "gone", "free", 0, False, (), ("none",)),
)  # fmt: skip


def promela() -> str:
    """The table for the model: of each NAME which states it may leave and enter, by how much the sequence rises, whose it is."""
    lines = []
    for name in dict.fromkeys(row.name for row in TRANSITIONS):
        rows = [row for row in TRANSITIONS if row.name == name]
        moves = [f"((from) == {row.before} && (to) == {row.after})" for row in rows]
        taken = [f':: (from) == {row.before} && (to) == {row.after} -> TAKEN("{name} {row.before} {row.after}")' for row in rows]
        rises, owners = {row.rise for row in rows}, {row.owner for row in rows}
        assert len(rises) == len(owners) == 1, name
        lines += [
            f"#define MAY_{name}(from, to) ({' || '.join(moves)})",
            f"#define TAKE_{name}(from, to) if {' '.join(taken)} fi",
            f"#define RISE_{name} {rises.pop()}",
            f"#define OWNER_{name} {int(owners.pop())}",
        ]
    return "\n".join(lines) + "\n"
