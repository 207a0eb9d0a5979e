// SPDX-License-Identifier: MIT
#include "kernel/fault.hpp"

#include "arch/asm.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/process.hpp"
#include "kernel/thread.hpp"

namespace cox {

void PageFault::set_handler(Notification* bell, std::uint64_t bits) {
    RefPtr<Notification> other;
    if (bell) other = RefPtr<Notification>(*bell);
    SpinGuard guard(lock_);  // its end comes before that of the one which is replaced
    std::swap(bell_, other);
    bits_ = bits;
}

bool PageFault::report(Note note) {
    RefPtr<Notification> bell;
    std::uint64_t bits;
    {
        SpinGuard guard(lock_);
        if (!bell_) return false;
        bell = bell_;
        bits = bits_;
        note_ = note;
        outstanding_ = true;
    }
    bell->signal(bits);
    return true;
}

core::Result<PageFault::Note> PageFault::outstanding() {
    SpinGuard guard(lock_);
    if (!outstanding_) return core::fail(abi::Error::kWrongState);
    return note_;
}

bool PageFault::take() {
    SpinGuard guard(lock_);
    return std::exchange(outstanding_, false);
}

bool handle_page_fault(Cpu& cpu, Thread& thread) {
    constexpr std::uint64_t kPresent = 1, kWrite = 2, kUser = 4, kFetch = 16;
    const auto error = thread.frame.error;
    // Whatever else the processor says is no matter of a page that is, or is not, mapped.
    if ((error & ~(kPresent | kWrite | kFetch)) != kUser) return false;
    const auto address = arch::read_cr2();
    const auto access = error & kFetch ? abi::kExecute : error & kWrite ? abi::kWrite : abi::kRead;
    if (thread.process->space().bring_in(address, access)) return true;
    if (thread.is_agent()) return false;  // its CPU would wait with it
    if (!thread.page_fault.report({address, access | (error & kPresent ? abi::kFaultMapped : 0)}))
        return false;
    (void)block_current(cpu);  // unless it has been told already to try again, or is to end
    return true;
}

}  // namespace cox
