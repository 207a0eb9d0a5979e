// SPDX-License-Identifier: MIT
//
// cap/sync.hpp on the host, with real threads, so that the thread sanitizer sees its orders.
#include "cap/sync.hpp"

#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace {

using Word = std::atomic<std::uint32_t>;

struct HostParking {
    static void park(const Word& word, std::uint32_t expected) { word.wait(expected); }
    static void unpark(const Word& word, std::uint64_t count) {
        auto& w = const_cast<Word&>(word);
        count == 1 ? w.notify_one() : w.notify_all();
    }
};

using Mutex = cap::BasicMutex<HostParking>;

template <class Body>
void in_threads(int count, Body body) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) {
        threads.emplace_back(body, i);
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

}  // namespace

TEST_CASE("sync: a mutex keeps a plain counter", "[sync]") {
    static Mutex mutex;
    static std::uint64_t counter;
    counter = 0;
    in_threads(4, [](int) {
        for (int i = 0; i < 5000; ++i) {
            const cap::BasicLock<HostParking> hold(mutex);
            ++counter;
        }
    });
    CHECK(counter == 20'000);
    CHECK(mutex.try_lock());
    CHECK(!mutex.try_lock());
    mutex.unlock();
}

TEST_CASE("sync: a barrier parts the rounds, a latch ends them, once is once", "[sync]") {
    static cap::BasicBarrier<HostParking> barrier(4);
    static cap::BasicLatch<HostParking> latch(4);
    static cap::BasicOnce<HostParking> once;
    static std::array<int, 4> round;
    static int firsts;
    std::atomic<int> wrong{0};
    in_threads(4, [&](int self) {
        once.call([] { ++firsts; });
        for (int i = 1; i <= 500; ++i) {
            round[static_cast<std::size_t>(self)] = i;
            barrier.arrive_and_wait();
            for (const int other : round) {
                wrong += other != i;
            }
            barrier.arrive_and_wait();
        }
        latch.count_down();
        latch.wait();
        wrong += firsts != 1;
    });
    CHECK(wrong == 0);
}

TEST_CASE("sync: a queue of one place, by condition variable, counted by a semaphore", "[sync]") {
    static Mutex mutex;
    static cap::BasicConditionVariable<HostParking> changed;
    static cap::BasicSemaphore<HostParking> done(0);
    static int slot;
    static long sum;
    sum = 0;
    in_threads(4, [](int self) {
        for (int i = 1; i <= 500; ++i) {
            const cap::BasicLock<HostParking> hold(mutex);
            const bool produces = self % 2 == 0;
            changed.wait(mutex, [&] { return (slot == 0) == produces; });
            sum += produces ? 0 : slot;
            slot = produces ? i : 0;
            changed.notify_all();
        }
        done.release();
    });
    for (int i = 0; i < 4; ++i) {
        done.acquire();
    }
    CHECK_FALSE(done.try_acquire());
    CHECK(sum == 2L * 500 * 501 / 2);
}
