#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Behind the targets boot and debug: boot.sh boot|debug BUILD_DIR [KERNEL ARGUMENT...]
# COXSWAIN_CPUS sets the number of CPUs (2), COXSWAIN_QEMU_ARGS adds arguments for QEMU.
set -euo pipefail
mode=$1 build=$2
shift 2

machine=(qemu-system-x86_64 -machine pc -accel tcg,thread=multi -cpu max -smp "${COXSWAIN_CPUS:-2}" -m 512
    -nodefaults -display none -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4
    -kernel "$build/coxswain.elf" -initrd "$build/archive.cpio" -append "$*")
# Split at blanks, as the word list that it is.
# shellcheck disable=SC2206
machine+=(${COXSWAIN_QEMU_ARGS:-})

# Runs QEMU in the foreground and says how the guest ended; that it ended badly is no failure of the target.
run() {
    local status=0
    "${machine[@]}" "$@" || status=$?
    case $status in
        33) echo "The guest ended with: pass." ;;
        35) echo "The guest ended with: fail." ;;
        37) echo "The guest ended with: panic." ;;
        39) echo "The guest ended with: machine not supported." ;;
        0) echo "QEMU was ended, or the guest reset its machine." ;;
        *) exit "$status" ;;
    esac
}

if [[ $mode == boot ]]; then
    echo "Ctrl-A X ends QEMU, Ctrl-A C opens its monitor."
    run -chardev stdio,id=console,mux=on,signal=off -serial chardev:console -mon chardev=console
    exit
fi

# debug: QEMU waits at its first instruction. On a terminal gdb is started beside it, and the guest's output goes to a
# file; elsewhere QEMU stays in the foreground.
commands=$(dirname "$(dirname "$0")")/scripts/gdb/coxswain.py
attach=(gdb --quiet -ex "source $commands" -ex "target remote :1234" "$build/coxswain.elf")
if [[ -t 0 ]]; then
    log="$build/debug.log"
    echo "The guest's output: $log"
    setsid "${machine[@]}" -serial "file:$log" -s -S </dev/null &
    qemu=$!
    trap 'kill "$qemu" 2>/dev/null || true' EXIT
    "${attach[@]}"
else
    printf 'QEMU waits for:'
    printf ' %q' "${attach[@]}"
    printf '\n'
    run -serial stdio -s -S
fi
