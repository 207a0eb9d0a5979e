// SPDX-License-Identifier: MIT
#include "cap/process.hpp"

#include <algorithm>

namespace cap {
namespace {

template <class T>
Result<T> as_capability(const Result<std::uint64_t>& slot) {
    if (!slot) {
        return fail(slot.error());
    }
    return T(abi::CapSlot::from_raw(*slot));
}

// Mostly one call will do.
bool fits_one_call(std::uint64_t pages) { return pages != 0 && pages <= abi::kMaxPagesPerCall; }

// Calls one(first page, pages) for pieces that a call may have; stops at the first error.
// `done` is how many pages the calls before that covered.
template <class One>
Result<void> in_pieces(std::uint64_t pages, std::uint64_t& done, One one) {
    for (done = 0; done < pages;) {
        const std::uint64_t piece = std::min(pages - done, abi::kMaxPagesPerCall);
        TRY(one(done, piece));
        done += piece;
    }
    return {};
}

}  // namespace

Result<void> Notification::signal(std::uint64_t bits) const { return invoke(abi::Op::kSignal, bits); }

Result<std::uint64_t> Notification::wait(Ring& ring, std::uint64_t timeout_ns) const {
    return ring.call(submission(abi::Op::kWaitBits, slot()), timeout_ns);
}

Result<void> Thread::start() const { return invoke(abi::Op::kStart); }

Result<void> Thread::kill(std::uint64_t exit_code) const { return invoke(abi::Op::kKillThread, exit_code); }

Result<void> Thread::suspend() const { return invoke(abi::Op::kSuspend); }

Result<void> Thread::resume() const { return invoke(abi::Op::kResume); }

Result<std::uint64_t> Thread::join(Ring& ring, std::uint64_t timeout_ns) const {
    return ring.call(submission(abi::Op::kJoin, slot()), timeout_ns);
}

Result<void> Thread::set_affinity(std::uint64_t cpus) const { return invoke(abi::Op::kSetAffinity, cpus); }

Result<abi::ThreadRef> Thread::ref() const { return abi::ThreadRef::from_raw(TRY(call(abi::Op::kGetRef))); }

Result<Thread> Thread::poll(Ring& ring, const PollOptions& options) const {
    const Thread poller =
        TRY(as_capability<Thread>(call(abi::Op::kPoll, options.idle_ns, options.cpus, options.label)));
    ring.expect_poller();
    return poller;
}

Result<ThreadStatus> Thread::status() const {
    ThreadStatus status{};
    static_assert(sizeof(ThreadStatus) == sizeof(abi::StatusLine));
    alignas(abi::StatusLine) std::byte line[sizeof(abi::StatusLine)];
    TRY(invoke(abi::Op::kGetStatus, reinterpret_cast<std::uint64_t>(line)));
    __builtin_memcpy(&status, line, sizeof(status));
    return status;
}

Result<Process> Process::create_process(std::string_view name, abi::CapSlot domain) const {
    abi::ProcessParams params{};
    params.domain_slot = domain.raw();
    name.copy(params.name, sizeof(params.name) - 1);
    return as_capability<Process>(call(abi::Op::kCreateProcess, reinterpret_cast<std::uint64_t>(&params)));
}

Result<Thread> Process::create_thread(const abi::ThreadParams& params) const {
    return as_capability<Thread>(call(abi::Op::kCreateThread, reinterpret_cast<std::uint64_t>(&params)));
}

Result<Memory> Process::create_memory(std::uint64_t pages) const {
    return as_capability<Memory>(call(abi::Op::kCreateMemory, pages));
}

Result<Notification> Process::create_notification() const {
    return as_capability<Notification>(call(abi::Op::kCreateNotification));
}

Result<Thread::Fault> Thread::fault() const {
    const CallResult reply = cap_call(slot(), abi::Op::kGetFault);
    const std::uint64_t cause = TRY(to_result(reply.result));
    return Fault{reply.result2, static_cast<abi::Rights>(cause & ~abi::kFaultMapped),
                 (cause & abi::kFaultMapped) != 0};
}

Result<Memory> Process::create_memory_on_demand(std::uint64_t pages) const {
    return as_capability<Memory>(call(abi::Op::kCreateMemory, pages | abi::kDemandZero));
}

Result<Timer> Process::create_timer(Notification bell, std::uint64_t bits) const {
    return as_capability<Timer>(call(abi::Op::kCreateTimer, bell.slot().raw(), bits));
}

Result<Timer::Counts> Timer::read() const {
    const CallResult reply = cap_call(slot(), abi::Op::kReadTimer);
    return Counts{TRY(to_result(reply.result)), reply.result2};
}

Result<std::uint64_t> Memory::resident_pages() const {
    const CallResult reply = cap_call(slot(), abi::Op::kGetSize);
    TRY(to_result(reply.result));
    return reply.result2;
}

Result<Memory> Memory::split(std::uint64_t first_page, std::uint64_t pages) const {
    return as_capability<Memory>(call(abi::Op::kSplit, first_page, pages));
}

Result<void> Memory::pin(std::uint64_t first_page, std::uint64_t pages) const {
    if (fits_one_call(pages)) {
        return invoke(abi::Op::kPin, first_page, pages);
    }
    std::uint64_t done = 0;
    return in_pieces(pages, done, [&](std::uint64_t first, std::uint64_t piece) {
        return invoke(abi::Op::kPin, first_page + first, piece);
    });
}

Result<void> Process::map(Memory memory, std::uint64_t address, std::uint64_t first_page, std::uint64_t pages,
                          abi::Rights access) const {
    if (fits_one_call(pages)) {
        return invoke(abi::Op::kMap, memory.slot().raw(), address, first_page, abi::map_word(pages, access));
    }
    std::uint64_t done = 0;
    const auto mapped = in_pieces(pages, done, [&](std::uint64_t first, std::uint64_t piece) {
        return invoke(abi::Op::kMap, memory.slot().raw(), address + first * abi::kPageSize,
                      first_page + first, abi::map_word(piece, access));
    });
    if (!mapped && done != 0) {
        (void)unmap(address, done);
    }
    return mapped;
}

Result<void> Process::unmap(std::uint64_t address, std::uint64_t pages) const {
    if (fits_one_call(pages)) {
        return invoke(abi::Op::kUnmap, address, pages);
    }
    std::uint64_t done = 0;
    return in_pieces(pages, done, [&](std::uint64_t first, std::uint64_t piece) {
        return invoke(abi::Op::kUnmap, address + first * abi::kPageSize, piece);
    });
}

Result<void> Process::protect(std::uint64_t address, std::uint64_t pages, abi::Rights access) const {
    std::uint64_t done = 0;
    return in_pieces(pages, done, [&](std::uint64_t first, std::uint64_t piece) {
        return invoke(abi::Op::kProtect, address + first * abi::kPageSize, piece, access);
    });
}

Result<abi::CapSlot> Process::give(abi::CapSlot slot, abi::Rights rights) const {
    return abi::CapSlot::from_raw(TRY(call(abi::Op::kGive, slot.raw(), rights)));
}

Result<void> Process::kill(std::uint64_t exit_code) const { return invoke(abi::Op::kKillProcess, exit_code); }

Result<std::uint64_t> Process::wait_exit(Ring& ring, std::uint64_t timeout_ns) const {
    return ring.call(submission(abi::Op::kWaitExit, slot()), timeout_ns);
}

}  // namespace cap
