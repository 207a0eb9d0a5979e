// SPDX-License-Identifier: MIT
#include "kernel/park.hpp"

#include "arch/timer.hpp"
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
bool ParkSpace::park(Thread& thread, std::uint64_t key, std::uint32_t expected, Load load) {
    Bucket& bucket = bucket_of(key);
    SpinGuard guard(bucket.lock);
    if (load() != expected) return false;
    thread.park.space = this;
    thread.park.key = key;
    thread.park.listed = true;
    if (thread.enter.deadline != kNever)
        thread.ring.begin_park(thread.enter.deadline);  // before it can be found
    append(bucket, thread);
    return true;
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
        wake(*thread);
        thread->release();
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

std::int64_t begin(Thread& thread, std::uint64_t address, std::uint64_t expected, std::uint64_t timeout_ns) {
    if (address % kWordSize) return error(Error::kMisaligned);
    if (expected >> 32) return error(Error::kBadArgument);
    // Before the wait begins: a timer node that was left elsewhere may end it at once.
    thread.timed_out = false;
    thread.enter.deadline =
        timeout_ns == abi::kForever ? kNever : arch::rdtsc() + arch::clock.to_ticks(timeout_ns);
    return 0;
}

}  // namespace

std::int64_t park_private(Thread& thread, std::uint64_t address, std::uint64_t expected,
                          std::uint64_t timeout_ns) {
    if (const auto wrong = begin(thread, address, expected, timeout_ns)) return wrong;
    Process& process = *thread.process;
    const auto* const word = process.space().find_word(address);
    if (!word) return error(Error::kBadAddress);
    if (!process.parked.park(thread, address, static_cast<std::uint32_t>(expected),
                             [&] { return word->load(); }))
        return error(Error::kValueChanged);
    this_cpu().exit_work |= kPark;
    return 0;
}

std::int64_t park_shared(Thread& thread, MemoryObject& memory, std::uint64_t offset, std::uint64_t expected,
                         std::uint64_t timeout_ns) {
    if (const auto wrong = begin(thread, offset, expected, timeout_ns)) return wrong;
    if (offset / abi::kPageSize >= memory.pages()) return error(Error::kBadArgument);
    const auto* const word = arch::physical_to_virtual<std::atomic<std::uint32_t>>(
        memory.frame(offset / abi::kPageSize) + offset % abi::kPageSize);
    if (!memory.parked.park(thread, offset, static_cast<std::uint32_t>(expected),
                            [&] { return word->load(); }))
        return error(Error::kValueChanged);
    thread.park.pinned = RefPtr<Object>(memory);  // given back by the thread itself
    this_cpu().exit_work |= kPark;
    return 0;
}

void wait_parked(Cpu& cpu, Thread& thread) {
    thread.waiting = Thread::Waiting::kParked;
    if (thread.enter.deadline != kNever) arm_timeout(cpu, thread, thread.enter.deadline);
    if (!block_current(cpu)) finish_park(cpu, thread);  // woken already
}

void end_timed_park(Cpu& cpu, Thread& thread) {
    disarm_timeout(cpu, thread);
    if (std::exchange(thread.timed_out, false)) {
        thread.park.space->leave(
            thread);  // until then an unpark may find it, and must see that it has a deadline
        thread.frame.rax = static_cast<std::uint64_t>(Error::kTimedOut);
    }
    thread.enter.deadline = kNever;
}

void forget_park(Thread& thread) {
    if (thread.park.space) thread.park.space->leave(thread);
    thread.park.pinned = {};
}

}  // namespace cox
