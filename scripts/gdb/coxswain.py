# SPDX-License-Identifier: MIT
"""For gdb, attached to a stopped guest with the kernel's symbols loaded (`source scripts/gdb/coxswain.py`):

    cox cpus      what each CPU runs, what is queued there, what stands in its inbox
    cox threads   every thread that exists: where it is, why, whose; `cox threads queued waiting` only those states

Reads memory alone, so it works wherever the guest was stopped. A CPU may have been stopped in the middle of a
transition: then a thread can stand nowhere for a moment. Continue, stop, and look again before you call it lost.
"""

from __future__ import annotations

import gdb

_SLOTS = "cox::detail::slots"
_LINES = "cox::detail::lines"
_FREE_SLOTS = "cox::(anonymous namespace)::free_slots"
_CPUS = "cox::(anonymous namespace)::cpus"
_CPU_COUNT = "cox::(anonymous namespace)::cpu_count"
_RECORDS = ("place", "request", "timer_record")  # RecordKind: members of Thread; the next is a Cpu's own, attention
_REQUESTS = {1: "kill", 2: "recall", 4: "affinity"}


def _symbol(name: str) -> gdb.Symbol:
    found = gdb.lookup_static_symbol(name) or gdb.lookup_global_symbol(name)
    if found is None:
        raise gdb.GdbError(f"no {name}: load the kernel's symbols, build/coxswain.elf")
    return found


def _variable(name: str) -> gdb.Value:
    return _symbol(name).value()


def _atomic(value: gdb.Value) -> gdb.Value:
    """What a std::atomic holds: its one member, or that of its base."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        members = [field for field in value.type.strip_typedefs().fields() if hasattr(field, "bitpos")]  # not static
        value = value[members[-1]]
    return value


def _number(value: gdb.Value) -> int:
    return int(_atomic(value))


def _enum(value: int, name: str) -> str:
    """kSliceEnd -> slice end"""
    for each in gdb.lookup_type(name).fields():
        if each.enumval == value:
            word = each.name.rsplit("::", 1)[-1][1:]
            return "".join(f" {c.lower()}" if c.isupper() else c for c in word).strip()
    return str(value)


class Thread:
    def __init__(self, value: gdb.Value) -> None:
        self.address = int(value.address)
        self.value = value
        line = value["line"].referenced_value()
        word = _number(line["word"])
        self.state = _enum(word & 0xFF, "cox::abi::ThreadState")
        self.cpu = word >> 8 & 0xFF
        self.requests = [text for bit, text in _REQUESTS.items() if word >> 16 & bit]
        self.wake_pending, self.by_kernel = bool(word >> 24 & 1), bool(word >> 25 & 1)
        self.cause = _enum(word >> 26 & 0x3F, "cox::abi::Cause")
        self.sequence = word >> 32
        ref = value["ref"]
        self.ref = f"{int(ref['index'])}.{int(ref['generation'])}"
        self.label = _number(line["label"])
        self.process = value["process"]["object_"]["name"]["_M_elems"].string().split("\0")[0]
        agent_cpu = _number(value["agent_cpu"])
        if agent_cpu != 0xFFFFFFFF:
            self.kind = f"agent of {agent_cpu}"
        else:
            self.kind = "domain" if int(value["domain"]) else "system"

    @property
    def name(self) -> str:
        return f"{self.ref} {self.process}"

    @property
    def remarks(self) -> str:
        words = [f"asked to {request}" for request in self.requests]
        words += ["wake pending"] if self.wake_pending else []
        words += ["placed by the kernel"] if self.by_kernel and self.kind == "domain" else []
        return ", ".join(words)


class Cpu:
    def __init__(self, value: gdb.Value, threads: dict[int, Thread]) -> None:
        self.number = int(value["number"])
        self.current = threads.get(int(value["current"]))
        self.agent_ready = threads.get(int(value["agent_ready"]))
        self.queue = [threads.get(address) for address in self._queue(value["queue"])]
        self.inbox = [self._record(node, threads) for node in self._inbox(value["inbox"])]

    @staticmethod
    def _queue(queue: gdb.Value) -> list[int]:
        found, node = [], queue["head_"]
        while int(node) and len(found) <= int(queue["size_"]):
            found.append(int(node))
            node = node["queue_link"]["next_"]
        return found

    @staticmethod
    def _inbox(inbox: gdb.Value) -> list[gdb.Value]:
        """The nodes, oldest first; they are kept as a stack."""
        node, found = _atomic(inbox["head_"]), []
        while int(node):
            found.append(node)
            node = node["next_"]
        return found[::-1]

    @staticmethod
    def _record(node: gdb.Value, threads: dict[int, Thread]) -> tuple[str, Thread | None]:
        kind = int(node["kind_"])
        if kind >= len(_RECORDS):
            return "attention", None
        owners = (each for each in threads.values() if int(each.value[_RECORDS[kind]].address) == int(node))
        return _RECORDS[kind].split("_")[0], next(owners, None)

    def holds(self, thread: Thread) -> bool:
        coming = [owner for kind, owner in self.inbox if kind == "place"]
        return thread in [self.current, self.agent_ready, *self.queue, *coming]

    @property
    def doing(self) -> str:
        return self.current.name if self.current else "idle"


def _used_lines() -> list[int]:
    """Indices of the status lines whose state is not free; a slot of the thread table belongs to each."""
    lines, size = _variable(_LINES), gdb.lookup_type("cox::abi::StatusLine").sizeof
    count = int(_symbol(_FREE_SLOTS).type.template_argument(1))  # an array with a place for each
    table = gdb.selected_inferior().read_memory(int(lines), count * size).tobytes()
    return [index for index in range(count) if table[index * size]]


def snapshot() -> tuple[list[Cpu], list[Thread]]:
    try:
        ready = bool(int(_variable("cox::cpus_ready")))
    except gdb.MemoryError:
        ready = False
    if not ready:
        raise gdb.GdbError("the kernel has not started its CPUs yet")
    slots, kind = int(_variable(_SLOTS)), gdb.lookup_type("cox::Thread")
    slot_size = kind.sizeof
    alive = {}
    for index in _used_lines():
        value = gdb.Value(slots + index * slot_size).cast(kind.pointer()).dereference()
        alive[int(value.address)] = Thread(value)
    every = _variable(_CPUS)["_M_elems"]
    return [Cpu(every[i], alive) for i in range(int(_variable(_CPU_COUNT)))], list(alive.values())


def _table(head: list[str], rows: list[list[object]]) -> None:
    cells = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


class _Cox(gdb.Command):
    """Coxswain's kernel: cox cpus, cox threads [STATE...]"""

    def __init__(self) -> None:
        super().__init__("cox", gdb.COMMAND_STATUS, prefix=True)


class _Cpus(gdb.Command):
    """cox cpus: each CPU's current thread, queue and inbox"""

    def __init__(self) -> None:
        super().__init__("cox cpus", gdb.COMMAND_STATUS)

    def invoke(self, _argument: str, _from_tty: bool) -> None:
        rows = []
        for cpu in snapshot()[0]:
            queue = [f"agent {cpu.agent_ready.name}"] if cpu.agent_ready else []
            queue += [thread.name if thread else "?" for thread in cpu.queue]
            inbox = [f"{kind} {owner.name}" if owner else kind for kind, owner in cpu.inbox]
            rows.append([cpu.number, cpu.doing, len(queue), ", ".join(queue) or "-", ", ".join(inbox) or "-"])
        _table(["cpu", "current", "queued", "queue", "inbox"], rows)


class _Threads(gdb.Command):
    """cox threads [STATE...]: ref, state, CPU, cause, sequence, label, process of each thread"""

    def __init__(self) -> None:
        super().__init__("cox threads", gdb.COMMAND_STATUS)

    def invoke(self, argument: str, _from_tty: bool) -> None:
        cpus, threads = snapshot()
        wanted, rows = argument.split(), []
        for each in threads:
            if wanted and each.state not in wanted:
                continue
            remarks = [each.remarks] if each.remarks else []
            if each.state in ("running", "queued") and not any(cpu.holds(each) for cpu in cpus):
                remarks.append("NOWHERE: in no queue, in no inbox, on no CPU")
            rows.append([each.ref, each.state, each.cpu, each.cause, each.sequence, each.label, each.kind,
                         each.process, ", ".join(remarks)])  # fmt: skip
        _table(["ref", "state", "cpu", "cause", "sequence", "label", "kind", "process", ""], rows)


_Cox()
_Cpus()
_Threads()
