// SPDX-License-Identifier: MIT
// Kernel bugs on purpose: the boot parameter selftest=KIND makes the last CPU commit one, so that tests can see what becomes of
// it. The kinds are in selftest.cpp. selftest=fast-clock is another sort: it makes all times that the guest states too long,
// so that the harness can be seen to notice; and with selftest=keep-tlb no CPU flushes because another has changed a mapping, so
// that the tests of that can; with selftest=forget-wake one wake that the kernel places in a domain is not counted, so that who checks
// the ledger can; with selftest=keep-threads a CPU that is taken from a domain gives no thread back; with selftest=keep-derived what is derived
// from a capability that has just been revoked is not; with selftest=keep-charge a memory object that could not be made has been
// paid for. Each says in the log that it is on.
#pragma once
#include <string_view>

namespace cox {

class Thread;

// Boot CPU, when the clock is calibrated. "": none; an unknown kind is a panic that names it.
void selftest_init(std::string_view kind);
extern bool keeps_tlb, keeps_threads, keeps_derived, keeps_charge;
bool forgets_wake(const Thread& thread);  // that this placement is to be left out, which is so once
void selftest_run();                      // every CPU, once, before it dispatches

}  // namespace cox
