// SPDX-License-Identifier: MIT
#include "kernel/fault.hpp"

#include "arch/asm.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/endpoint.hpp"
#include "kernel/process.hpp"
#include "kernel/thread.hpp"

namespace cox {

void PageFault::set_handler(Object* handler, std::uint64_t value) {
    Handler other{handler ? RefPtr<Object>(*handler) : RefPtr<Object>(), value};
    SpinGuard guard(lock_);  // its end comes before that of the one which is replaced
    std::swap(handler_, other);
}

PageFault::Handler PageFault::begin(Note note) {
    SpinGuard guard(lock_);
    if (handler_.object && handler_.object->type() == Notification::kType) {
        note_ = note;
        outstanding_ = true;
    }
    return handler_;
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
    const auto cause = access | (error & kPresent ? abi::kFaultMapped : 0);
    const auto handler = thread.page_fault.begin({address, cause});
    if (!handler.object) return false;
    if (handler.object->type() == Endpoint::kType) {
        call_for_thread(cpu, thread, static_cast<Endpoint&>(*handler.object), handler.value,
                        {address, cause, thread.frame.rip, thread.ref.raw()});
        return true;
    }
    static_cast<Notification&>(*handler.object).signal(handler.value);
    (void)block_current(cpu);  // unless it has been told already to try again, or is to end
    return true;
}

}  // namespace cox
