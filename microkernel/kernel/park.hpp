// SPDX-License-Identifier: MIT
// ParkSpace: who is parked on words of one address space (private) or of one memory object (shared), first in, first out.
// Each process and each memory object has one, so that nobody's waiters stand in the way of somebody else's.
//
// Whoever takes a thread's node out of here wakes it, once. With a time-out, to park is also to wait on one's ring for what no
// completion can bring: then the ring's wait says whether the thread still waits, and whoever ends that, unpark or time-out,
// wakes it; the node only makes it found. A thread whose time has passed takes its node out when it runs again, one that exits
// when it goes.
#pragma once
#include <cstdint>

#include "core/result.hpp"
#include "kernel/object.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

struct Cpu;
class AddressSpace;
class MemoryObject;
class Thread;

class ParkSpace {
public:
    // Under the lock that an unpark of the same word takes: if load() is `expected`, the thread stands here and waits as soon
    // as its call ends (wait_parked). Else false.
    template <class Load>
    bool park(Thread& thread, std::uint64_t key, std::uint32_t expected, std::uint64_t deadline, Load load);
    // -> how many of those parked on `key` were woken, at most `count`; or kMisaligned.
    std::int64_t unpark(std::uint64_t key, std::uint64_t count);
    void leave(Thread& thread);
    // The first in its bucket, held by a reference, if it is parked on `key` and without a time-out. Else unpark() has to look.
    [[gnu::always_inline]] Thread* take_first(std::uint64_t key);

private:
    struct alignas(64) Bucket {
        SpinLock lock{LockRank::kPark};
        Thread* first COX_GUARDED_BY(lock) = nullptr;
        Thread* last COX_GUARDED_BY(lock) = nullptr;
    };
    static constexpr std::uint32_t kBuckets = 4;
    Bucket& bucket_of(std::uint64_t key) { return buckets_[key / 4 % kBuckets]; }
    static void append(Bucket& bucket, Thread& thread) COX_REQUIRES(bucket.lock);
    static void remove(Bucket& bucket, Thread& thread, Thread* previous) COX_REQUIRES(bucket.lock);
    Thread* take_one(std::uint64_t key);  // the first of them, held by a reference

    Bucket buckets_[kBuckets];
};

// The current thread, by its call; the wait itself is left to wait_parked. 0, or kMisaligned, kBadArgument, kValueChanged. On a word
// of its own: call_park (calls.hpp).
std::int64_t park_shared(Thread& thread, MemoryObject& memory, std::uint64_t offset, std::uint64_t expected,
                         std::uint64_t timeout_ns);

// The current thread, its frame complete, waits.
void wait_parked(Cpu& cpu, Thread& thread);
// It runs again, and is still Thread::kInPark; its result is written if its time has passed.
void finish_park(Cpu& cpu, Thread& thread);
// It has gone. Any CPU.
void forget_park(Thread& thread);

}  // namespace cox
