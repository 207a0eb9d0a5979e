// SPDX-License-Identifier: MIT
#include "kernel/park.hpp"

#include "arch/timer.hpp"
#include "kernel/calls.hpp"
#include "kernel/context.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/process.hpp"
#include "kernel/timers.hpp"
#include "kernel/wake.hpp"

namespace cox {

using abi::Error;

namespace {
constexpr std::uint64_t kWordSize = sizeof(std::uint32_t);
constexpr std::int64_t error(Error error) { return static_cast<std::int64_t>(error); }
}  // namespace

void ParkSpace::append(Bucket& bucket, Thread& thread) {
    thread.park.next = nullptr;
    (bucket.last ? bucket.last->park.next : bucket.first) = &thread;
    bucket.last = &thread;
}

void ParkSpace::remove(Bucket& bucket, Thread& thread, Thread* previous) {
    (previous ? previous->park.next : bucket.first) = thread.park.next;
    if (bucket.last == &thread) bucket.last = previous;
    thread.park.listed = false;
}

template <class Load>
[[gnu::always_inline]] inline bool ParkSpace::park(Thread& thread, std::uint64_t key, std::uint32_t expected,
                                                   std::uint64_t deadline, Load load) {
    Bucket& bucket = bucket_of(key);
    SpinGuard guard(bucket.lock);
    if (load() != expected) return false;
    thread.park.space = this;
    thread.park.key = key;
    thread.park.listed = true;
    thread.enter.deadline = deadline;
    if (deadline != kNever) thread.ring.begin_park(deadline);  // before it can be found
    append(bucket, thread);
    return true;
}

Thread* ParkSpace::take_first(std::uint64_t key) {
    Bucket& bucket = bucket_of(key);
    SpinGuard guard(bucket.lock);
    Thread* const thread = bucket.first;
    if (!thread || thread->park.key != key || thread->enter.deadline != kNever) return nullptr;
    if (!(bucket.first = thread->park.next)) bucket.last = nullptr;
    thread->park.listed = false;
    thread->retain();
    return thread;
}

Thread* ParkSpace::take_one(std::uint64_t key) {
    Bucket& bucket = bucket_of(key);
    SpinGuard guard(bucket.lock);
    for (;;) {
        Thread* previous = nullptr;
        Thread* thread = bucket.first;
        for (; thread && thread->park.key != key; thread = thread->park.next) previous = thread;
        if (!thread) return nullptr;
        remove(bucket, *thread, previous);
        if (thread->enter.deadline != kNever && !thread->ring.end_wait()) continue;  // its time has passed
        thread->retain();  // one that stands here has not gone
        return thread;
    }
}

std::int64_t ParkSpace::unpark(std::uint64_t key, std::uint64_t count) {
    if (key % kWordSize) return error(Error::kMisaligned);
    std::uint64_t woken = 0;
    for (; woken < count; ++woken) {
        Thread* const thread = take_one(key);
        if (!thread) break;
        wake_held(*thread);
    }
    return static_cast<std::int64_t>(woken);
}

void ParkSpace::leave(Thread& thread) {
    Bucket& bucket = bucket_of(thread.park.key);
    SpinGuard guard(bucket.lock);
    if (!thread.park.listed) return;
    Thread* previous = nullptr;
    for (Thread* t = bucket.first; t != &thread; t = t->park.next) previous = t;
    remove(bucket, thread, previous);
}

namespace {

std::int64_t check(std::uint64_t address, std::uint64_t expected) {
    if (address % kWordSize) return error(Error::kMisaligned);
    return expected >> 32 ? error(Error::kBadArgument) : 0;
}

std::uint64_t deadline_of(Thread& thread, std::uint64_t timeout_ns) {
    if (timeout_ns == abi::kForever) return kNever;
    // Before the wait begins: a timer node that was left elsewhere may end it at once.
    thread.timed_out = false;
    return arch::rdtsc() + arch::clock.to_ticks(timeout_ns);
}

// It stands in the list, and waits as soon as its call ends.
void leave_to_wait(Thread& thread) {
    leave_to_do(kPark);
    if (thread.enter.deadline == kNever) return;
    thread.resume |= Thread::kInPark;
    leave_to_do(kLook);  // a time-out is to be armed
}

// On a word of a page that is known.
[[gnu::always_inline]] inline bool stand(Thread& thread, Process& process, std::uint64_t address,
                                         std::uint64_t expected, std::uint64_t deadline) {
    const auto& word = AddressSpace::word_in(thread.park.page, address);
    return process.parked.park(thread, address, static_cast<std::uint32_t>(expected), deadline,
                               [&] { return word.load(); });
}

bool know_page(Thread& thread, std::uint64_t address) {
    AddressSpace& space = thread.process->space();
    return space.is_current(thread.park.page, address) || space.find_page(thread.park.page, address) ||
           (space.bring_in(address, abi::kRead) && space.find_page(thread.park.page, address));
}

bool names_process(std::uint64_t slot, Process& process, abi::Rights needed) {
    const auto named = abi::CapSlot::from_raw(slot);
    return CapTable::knows(named, process) || process.caps.recall(named, process) ||
           process.caps.names(named, process, needed);
}

// call_park, where something is not known yet, or is not the common case.
[[gnu::noinline]] CallResult park_further(std::uint64_t slot, std::uint64_t op, std::uint64_t address,
                                          std::uint64_t expected, std::uint64_t timeout_ns,
                                          std::uint64_t unused) {
    Thread& thread = current_thread();
    const auto deadline = deadline_of(thread, timeout_ns);  // first: the time begins with the call
    if (!names_process(slot, *thread.process, abi::kRead)) [[clang::musttail]]
        return call_any(slot, op, address, expected, timeout_ns, unused);
    if (const auto wrong = check(address, expected)) return {wrong, 0};
    if (!know_page(thread, address)) return failed(Error::kBadAddress);
    if (!stand(thread, *thread.process, address, expected, deadline)) return failed(Error::kValueChanged);
    leave_to_wait(thread);
    return {0, 0};
}

// call_unpark, the same.
[[gnu::noinline]] CallResult unpark_further(std::uint64_t slot, std::uint64_t op, std::uint64_t address,
                                            std::uint64_t count, std::uint64_t a2, std::uint64_t a3) {
    Process& process = *current_thread().process;
    if (!names_process(slot, process, abi::kWrite)) [[clang::musttail]]
        return call_any(slot, op, address, count, a2, a3);
    return {process.parked.unpark(address, count), 0};
}

// Its last steps, where they are not simple; with a call's six arguments, so that they are jumps.
[[gnu::noinline]] CallResult wake_one(std::uint64_t thread, std::uint64_t now, std::uint64_t, std::uint64_t,
                                      std::uint64_t, std::uint64_t) {
    wake_further(*reinterpret_cast<Thread*>(thread), now);
    return {1, 0};
}

[[gnu::noinline]] CallResult time_one(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                      std::uint64_t, std::uint64_t) {
    look_at_timer(this_cpu());
    return {1, 0};
}

}  // namespace

CallResult call_park(std::uint64_t slot, std::uint64_t op, std::uint64_t address, std::uint64_t expected,
                     std::uint64_t timeout_ns, std::uint64_t unused) {
    Thread& thread = current_thread();
    Process& process = *thread.process;
    if (!is(op, abi::Op::kPark)) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, address, expected, timeout_ns, unused);
    if (!CapTable::knows(abi::CapSlot::from_raw(slot), process) || address % kWordSize || expected >> 32 ||
        !process.space().is_current(thread.park.page, address) || timeout_ns != abi::kForever) [[unlikely]]
        [[clang::musttail]] return park_further(slot, op, address, expected, timeout_ns, unused);
    if (!stand(thread, process, address, expected, kNever)) [[unlikely]]
        return failed(Error::kValueChanged);
    if (!something_to_do()) [[likely]]
        [[clang::musttail]] return switch_by_park(any(), any(), any(), any(), any(), any());
    leave_to_wait(thread);
    return {0, 0};
}

CallResult call_unpark(std::uint64_t slot, std::uint64_t op, std::uint64_t address, std::uint64_t count,
                       std::uint64_t a2, std::uint64_t a3) {
    Process& process = *current_thread().process;
    if (!is(op, abi::Op::kUnpark)) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, address, count, a2, a3);
    if (!CapTable::knows(abi::CapSlot::from_raw(slot), process) || address % kWordSize || count != 1)
        [[unlikely]]
        [[clang::musttail]] return unpark_further(slot, op, address, count, a2, a3);
    Thread* const thread = process.parked.take_first(address);
    if (!thread) [[unlikely]]
        [[clang::musttail]] return unpark_further(slot, op, address, count, a2, a3);
    const auto now = begin_wake(*thread);
    Cpu& cpu = this_cpu();
    if (!wake_here(cpu, *thread, now)) [[unlikely]]
        [[clang::musttail]] return wake_one(reinterpret_cast<std::uint64_t>(thread), now, any(), any(), any(),
                                            any());
    if (!cpu.timed_well) [[unlikely]]
        [[clang::musttail]] return time_one(any(), any(), any(), any(), any(), any());
    return {1, 0};
}

std::int64_t park_shared(Thread& thread, MemoryObject& memory, std::uint64_t offset, std::uint64_t expected,
                         std::uint64_t timeout_ns) {
    if (const auto wrong = check(offset, expected)) return wrong;
    if (offset / abi::kPageSize >= memory.pages()) return error(Error::kBadArgument);
    const auto frame = memory.touch(offset / abi::kPageSize);
    if (!frame) return error(frame.error());
    const auto* const word =
        arch::physical_to_virtual<std::atomic<std::uint32_t>>(*frame + offset % abi::kPageSize);
    if (!memory.parked.park(thread, offset, static_cast<std::uint32_t>(expected),
                            deadline_of(thread, timeout_ns), [&] { return word->load(); }))
        return error(Error::kValueChanged);
    thread.park.pinned = RefPtr<Object>(memory);  // given back by the thread itself
    thread.resume |= Thread::kInPark;
    leave_to_wait(thread);
    return 0;
}

void wait_parked(Cpu& cpu, Thread& thread) {
    if (thread.enter.deadline != kNever) arm_timeout(cpu, thread, thread.enter.deadline);
    if (!block_current(cpu) && thread.resume & Thread::kInPark) finish_park(cpu, thread);  // woken already
}

void finish_park(Cpu& cpu, Thread& thread) {
    thread.resume &= ~Thread::kInPark;
    if (thread.enter.deadline != kNever) {
        disarm_timeout(cpu, thread);
        if (std::exchange(thread.timed_out, false)) {
            // Until then an unpark may find it, and must see that it has a deadline.
            thread.park.space->leave(thread);
            thread.frame.rax = static_cast<std::uint64_t>(Error::kTimedOut);
        }
        thread.enter.deadline = kNever;
    }
    if (!thread.park.pinned) return;
    thread.park.space = nullptr;  // it may go with its object
    thread.park.pinned = {};
}

void forget_park(Thread& thread) {
    if (thread.park.space) thread.park.space->leave(thread);
    thread.park.pinned = {};
}

}  // namespace cox
