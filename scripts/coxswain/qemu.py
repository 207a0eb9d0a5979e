# SPDX-License-Identifier: MIT
"""The QEMU command line of one boot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field

from .artifacts import Artifacts
from .errors import EnvironmentProblem, UsageError
from .iso import iso_for

MACHINES = ("microvm", "pc", "q35")
_MACHINE_OPTIONS = {
    # QEMU would otherwise add the addresses of its virtio devices to the kernel's command line.
    "microvm": "microvm,auto-kernel-cmdline=off",
    "pc": "pc",
    "q35": "q35",
}

# What the harness decides and reports: overriding it behind the harness's back would make the report untrue.
_OWNED = {
    "accel", "enable-kvm", "smp", "kernel", "initrd", "append", "cdrom", "serial", "monitor", "display",
    "nographic", "daemonize", "M", "machine", "icount", "S", "snapshot",
}  # fmt: skip

_SAFE_WORD = re.compile(r"[A-Za-z0-9_./,:+@%-]+(=[A-Za-z0-9_./,:+@%-]*)?")


@dataclass(frozen=True)
class Accelerator:
    """`name` is what results are labelled with: kvm, kvm_pvm or tcg. `size` is the workload whose timed section lasts
    seconds under it, unless somebody asks for another: where user code runs at the host's own speed, the manifest's size is
    over in half a second, in which a neighbour of the host decides more than the kernel."""

    name: str
    arguments: tuple[str, ...]
    cpu_model: str
    reason: str
    kernel_arguments: tuple[str, ...] = ()
    size: str = ""  # the manifest's own

    @property
    def interprets_kernel(self) -> bool:
        """There an instruction of the kernel takes a microsecond, so that time does not stand for instructions."""
        return self.name == "kvm_pvm"


TCG = Accelerator("tcg", ("-accel", "tcg,thread=multi"), "max", "asked for")
# The TSC advances by one with each instruction of the guest, and time by a nanosecond.
COUNTING = Accelerator("tcg", ("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"), "max", "counting")


@dataclass(frozen=True)
class Machine:
    cpus: int
    accelerator: Accelerator
    machine: str = "microvm"
    machine_options: tuple[str, ...] = ()
    boot: str = "pvh"
    memory: str = "256M"
    cpu_model: str = ""
    memory_file: str = ""  # the guest's memory, for whoever reads it afterwards
    extra: tuple[str, ...] = field(default=())


def check_extra(arguments: list[str], allowed: frozenset[str] = frozenset()) -> tuple[str, ...]:
    for argument in arguments:
        if argument.startswith("-") and argument.lstrip("-").split("=")[0] in _OWNED - allowed:
            raise UsageError(f"{argument} cannot be given after --: the harness sets and reports it")
    return tuple(arguments)


def kernel_words(words: list[str]) -> list[str]:
    """The kernel's command line knows no quoting, so what would need it is refused here."""
    for word in words:
        if not _SAFE_WORD.fullmatch(word):
            raise UsageError(f"not a kernel argument: {word!r}")
    return words


def binary() -> str:
    """COXSWAIN_QEMU names another QEMU than the one on PATH."""
    wanted = os.environ.get("COXSWAIN_QEMU", "qemu-system-x86_64")
    found = shutil.which(wanted)
    if found is None:
        raise EnvironmentProblem(f"{wanted} not found: package qemu-system-x86; scripts/setup installs it")
    return found


def version() -> str:
    done = subprocess.run([binary(), "--version"], capture_output=True, text=True, check=False)
    first = done.stdout.splitlines()[:1]
    if done.returncode != 0 or not first:
        raise EnvironmentProblem(f"{binary()} --version fails: {done.stderr.strip()}")
    return first[0]


def command(machine: Machine, artifacts: Artifacts, words: list[str], make_iso: bool = True) -> list[str]:
    words = kernel_words([*words, *machine.accelerator.kernel_arguments])
    options, backend = list(machine.machine_options), []
    if machine.memory_file:
        options.append("memory-backend=ram")
        backend = ["-object", f"memory-backend-file,id=ram,size={machine.memory},mem-path={machine.memory_file},share=on"]
    return [
        binary(),
        "-machine", ",".join([_MACHINE_OPTIONS[machine.machine], *options]), *backend,
        *machine.accelerator.arguments,
        "-cpu", machine.cpu_model or machine.accelerator.cpu_model,
        "-smp", str(machine.cpus),
        "-m", machine.memory,
        "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none",
        "-serial", "stdio", "-monitor", "none", "-no-reboot",
        "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
        *_boot_arguments(machine, artifacts, words, make_iso),
        *machine.extra,
    ]  # fmt: skip


def _boot_arguments(machine: Machine, artifacts: Artifacts, words: list[str], make_iso: bool) -> list[str]:
    if machine.boot == "pvh":
        return ["-kernel", str(artifacts.kernel), "-initrd", str(artifacts.archive), "-append", " ".join(words)]
    if machine.machine == "microvm":
        raise UsageError("microvm has no CD drive: --boot iso needs --machine pc or q35")
    iso = str(iso_for(artifacts, words, make_iso)).replace(",", ",,")  # written twice in a list of options
    return ["-drive", f"file={iso},format=raw,media=cdrom,readonly=on", "-boot", "d"]
