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
    calls_.store(handler && handler->type() == Endpoint::kType, std::memory_order_relaxed);
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

Endpoint* PageFault::lock_endpoint(std::uint64_t& badge) {
    SpinGuard guard(lock_);
    if (!handler_.object || handler_.object->type() != Endpoint::kType) return nullptr;
    badge = handler_.value;
    auto* const endpoint = static_cast<Endpoint*>(handler_.object.get());
    Endpoint::Quick(*endpoint).lock();
    return endpoint;
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

std::array<std::uint64_t, 4> words_of(const Thread& thread, const PageFault::Note& note) {
    return {note.address, note.cause, thread.frame.rip, thread.ref.raw()};
}

FaultEnd handle_page_fault(Cpu& cpu, Thread& thread) {
    constexpr std::uint64_t kPresent = 1, kWrite = 2, kUser = 4, kFetch = 16;
    const auto error = thread.frame.error;
    // Whatever else the processor says is no matter of a page that is, or is not, mapped.
    if ((error & ~(kPresent | kWrite | kFetch)) != kUser) return {true};
    const auto address = arch::read_cr2();
    const auto access = error & kFetch ? abi::kExecute : error & kWrite ? abi::kWrite : abi::kRead;
    if (thread.process->space().bring_in(address, access)) return {false};
    if (thread.is_agent()) return {true};  // its CPU would wait with it
    const PageFault::Note note{address, access | (error & kPresent ? abi::kFaultMapped : 0)};
    if (thread.page_fault.calls()) {
        if (arch::TrapFrame* const next = fault_directly(cpu, thread, note)) return {false, next};
    }
    const auto handler = thread.page_fault.begin(note);
    if (!handler.object) return {true};
    if (handler.object->type() == Endpoint::kType) {
        call_for_thread(cpu, thread, static_cast<Endpoint&>(*handler.object), handler.value,
                        words_of(thread, note));
        return {false};
    }
    static_cast<Notification&>(*handler.object).signal(handler.value);
    (void)block_current(cpu);  // unless it has been told already to try again, or is to end
    return {false};
}

}  // namespace cox
