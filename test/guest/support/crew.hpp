// SPDX-License-Identifier: MIT
//
// Crew: a process in the scheduling domain whose threads, the workers, do what a test tells them.
//
// The process gets the image of the test itself, so a function has the same address in both, and the test
// starts threads there at functions of its own. Each worker has a Station, a page that test and worker map at
// the same address, and FS points to it. The process has run no start-up code: a worker uses its Station, its ring and what is
// constant, and no variable of the program.
//
//     test maps      station │
//     worker maps    station │ ring │ (nothing) │ stack
#pragma once

#include "cap/env.hpp"
#include "cap/sched_domain.hpp"
#include "suite.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace test {

struct Station;
using WorkerMain = std::uint64_t (*)(Station& station, cap::Ring& ring);

// What obey() does, again and again.
enum class Order : std::uint32_t {
    kSpin,  // counts `beats`
    kWait,  // waits for its bell once
    kExit,  // returns the exit code `values[0]`
};

struct alignas(abi::kPageSize) Station {
    // Written before the thread starts.
    WorkerMain main;
    std::uint64_t ring_address;
    abi::CapSlot bell;  // in the crew's table
    void* argument;     // the test's own

    alignas(64) std::atomic<Order> order;
    alignas(64) std::atomic<std::uint64_t> beats;
    alignas(64) std::atomic<std::uint64_t> waits_begun;
    std::atomic<std::uint64_t> waits_done;
    alignas(64) std::array<std::atomic<std::uint64_t>, 32> values;  // the test's own
};

std::uint64_t obey(Station& station, cap::Ring& ring);

struct Worker {
    cap::Thread thread;
    abi::ThreadRef ref;
    cap::Notification bell;
    Station* station = nullptr;

    // Given while it spins, it holds at once; while it waits, after its bell.
    void order(Order what) const { station->order.store(what); }
    void ring_bell() const { (void)bell.signal(1); }
    [[nodiscard]] std::uint64_t beats() const { return station->beats.load(); }
    [[nodiscard]] abi::ThreadWord word() const {
        const auto status = thread.status();
        return status ? status->word : abi::ThreadWord{};
    }
    [[nodiscard]] abi::ThreadState state() const { return word().state(); }
};

struct WorkerOptions {
    WorkerMain main = obey;
    void* argument = nullptr;
    Order order = Order::kSpin;
    std::uint64_t affinity = 0;  // 0: all CPUs
    std::uint64_t first_cpu = 0;
    std::uint64_t label = 0;
};

class Crew {
public:
    static constexpr std::size_t kMaxWorkers = 256;

    // If anything fails here or in add(), the case fails, and what is returned names nothing.
    // In the root domain, or in another one; charged to the test's quota, or to another one.
    explicit Crew(Case& t, cap::SchedDomain domain = {}, cap::Quota quota = {});
    // Kills the process and waits until it has gone; the case fails if it does not go.
    ~Crew();
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    // Not started.
    Worker& add(const WorkerOptions& options = {});
    // The worker's thread has gone: another one takes its station, ring and stack.
    void renew(Worker& worker, const WorkerOptions& options = {});

    // One value-initialised T that the workers see at the same address; nullptr, and the case has failed, if
    // not.
    template <class T>
    [[nodiscard]] T* share() {
        void* const memory = share_pages((sizeof(T) + abi::kPageSize - 1) / abi::kPageSize);
        return memory != nullptr ? new (memory) T() : nullptr;
    }

    [[nodiscard]] cap::Process process() const { return process_; }
    [[nodiscard]] std::span<Worker> workers() { return std::span(workers_).first(count_); }

private:
    static constexpr std::uint64_t kStackPages = 5;

    void* share_pages(std::uint64_t pages);
    [[nodiscard]] cap::Result<void> set_up(Worker& worker);
    [[nodiscard]] cap::Result<void> create_thread(Worker& worker, const WorkerOptions& options) const;
    [[nodiscard]] std::uint64_t stack_of(const Station& station) const;

    Case& t_;
    cap::Process process_;
    std::size_t count_ = 0;
    std::array<Worker, kMaxWorkers> workers_;
    Worker none_;
};

}  // namespace test
