// SPDX-License-Identifier: MIT
#include "kernel/park.hpp"

#include "arch/paging.hpp"
#include "arch/timer.hpp"
#include "kernel/dispatch.hpp"
#include "kernel/process.hpp"
#include "kernel/timers.hpp"
#include "kernel/user_memory.hpp"
#include "kernel/wake.hpp"

namespace cox {

using abi::Error;

namespace {
constexpr std::uint64_t kWordSize = sizeof(std::uint32_t);
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
core::Result<void> ParkSpace::park(Thread& thread, std::uint64_t key, std::uint32_t expected, Load load) {
    Bucket& bucket = bucket_of(key);
    SpinGuard guard(bucket.lock);
    if (TRY(load()) != expected) return core::fail(Error::kValueChanged);
    thread.park.space = this;
    thread.park.key = key;
    thread.park.listed = true;
    thread.ring.begin_park(thread.enter.deadline);  // before it can be found
    append(bucket, thread);
    return {};
}

core::Result<std::int64_t> ParkSpace::unpark(std::uint64_t key, std::uint64_t count) {
    if (key % kWordSize) return core::fail(Error::kMisaligned);
    Bucket& bucket = bucket_of(key);
    std::int64_t woken = 0;
    while (static_cast<std::uint64_t>(woken) < count) {
        RefPtr<Thread> found;
        {
            SpinGuard guard(bucket.lock);
            Thread* previous = nullptr;
            Thread* thread = bucket.first;
            for (; thread && thread->park.key != key; thread = thread->park.next) previous = thread;
            if (!thread) break;
            remove(bucket, *thread, previous);
            if (!thread->ring.end_wait()) continue;  // its time has passed
            found = RefPtr(*thread);                 // one that stands here has not gone
        }
        wake(*found);
        ++woken;
    }
    return woken;
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

core::Result<void> set_deadline(Thread& thread, std::uint64_t address, std::uint64_t expected,
                                std::uint64_t timeout_ns) {
    if (address % kWordSize) return core::fail(Error::kMisaligned);
    if (expected >> 32) return core::fail(Error::kBadArgument);
    // Before the wait begins: a timer node that was left elsewhere may end it at once.
    thread.timed_out = false;
    thread.enter.deadline =
        timeout_ns == abi::kForever ? kNever : arch::rdtsc() + arch::clock.to_ticks(timeout_ns);
    return {};
}

std::uint32_t load_word(const void* memory) {
    return reinterpret_cast<const std::atomic<std::uint32_t>*>(memory)->load();
}

}  // namespace

core::Result<void> park_private(Thread& thread, std::uint64_t address, std::uint64_t expected,
                                std::uint64_t timeout_ns) {
    TRY(set_deadline(thread, address, expected, timeout_ns));
    Process& process = *thread.process;
    TRY(process.parked.park(
        thread, address, static_cast<std::uint32_t>(expected), [&]() -> core::Result<std::uint32_t> {
            std::uint32_t value = 0;
            TRY(process.space().with_page(
                address, abi::kRead, [&](const std::byte* at, std::uint64_t) { value = load_word(at); }));
            return value;
        }));
    this_cpu().exit_work |= kPark;
    return {};
}

core::Result<void> park_shared(Thread& thread, MemoryObject& memory, std::uint64_t offset,
                               std::uint64_t expected, std::uint64_t timeout_ns) {
    TRY(set_deadline(thread, offset, expected, timeout_ns));
    if (offset / abi::kPageSize >= memory.pages()) return core::fail(Error::kBadArgument);
    const std::byte* page = arch::physical_to_virtual<std::byte>(memory.frame(offset / abi::kPageSize));
    TRY(memory.parked.park(
        thread, offset, static_cast<std::uint32_t>(expected),
        [&]() -> core::Result<std::uint32_t> { return load_word(page + offset % abi::kPageSize); }));
    thread.park.pinned = RefPtr<Object>(memory);  // given back by the thread itself
    this_cpu().exit_work |= kPark;
    return {};
}

void wait_parked(Cpu& cpu, Thread& thread) {
    thread.waiting = Thread::Waiting::kParked;
    if (thread.enter.deadline != kNever) arm_timeout(cpu, thread, thread.enter.deadline);
    if (!block_current(cpu)) finish_park(cpu, thread);  // woken already
}

void finish_park(Cpu& cpu, Thread& thread) {
    thread.waiting = Thread::Waiting::kNot;
    disarm_timeout(cpu, thread);
    const bool timed_out = std::exchange(thread.timed_out, false);
    if (timed_out) thread.park.space->leave(thread);
    thread.park.space = nullptr;
    thread.park.pinned = {};
    thread.frame.rax = timed_out ? static_cast<std::uint64_t>(Error::kTimedOut) : 0;
    thread.frame.rdx = 0;
}

void forget_park(Thread& thread) {
    if (thread.park.space) thread.park.space->leave(thread);
    thread.park.pinned = {};
}

}  // namespace cox
