// SPDX-License-Identifier: MIT
//
// Counts the primes in a range with several threads, each its share: the workers are siblings of one process.
//
// Arguments: those of primes_worker.hpp. Capabilities: "ready", a notification that it signals when all threads wait for
// the release; "go", one that it waits on; "result", a memory object for a ResultLine each. Exit codes: 0 done, 2 usage,
// 3 anything else.
//
// The main thread makes the workers, lets them go in one batch as soon as it is let go itself, and sleeps until all have
// ended, however they do. What the kernel says of them right before and after that, it puts into their accounts.
#include "cap/arena.hpp"
#include "cap/threads.hpp"
#include "primes_worker.hpp"

#include <algorithm>

namespace primes {
namespace {

constexpr std::uint64_t kSettleNs = 1'000'000;
constexpr std::uint32_t kWayOut = 1;  // calls of a worker after its section: it exits

// A worker, in pages of its own.
struct Seat {
    Seat(const Options& options, std::uint32_t number, sieve::ResultLine& result)
        : line(result), worker(options, number, sieve, result), index(number), fault(options.fault) {}

    sieve::Sieve sieve;
    sieve::ResultLine& line;
    Worker worker;
    std::uint32_t index;
    Fault fault;
    cap::Notification go;
    cap::Thread thread;
    cap::ThreadStatus before{};
    std::int64_t exit_code = 0;
    sieve::Tally answer;  // of fault one_ring
};

constexpr std::uint64_t kSeatPages = (sizeof(Seat) + abi::kPageSize - 1) / abi::kPageSize;

std::array<Seat*, sieve::kMaxWorkers> all_seats;
std::uint32_t seat_count = 0;
std::atomic<bool> the_lock;  // of fault one_lock

std::span<Seat* const> seats() { return std::span(all_seats).first(seat_count); }

// What the section does: the work, or what must be refused.
sieve::Tally count(Seat& self, cap::Ring& ring) {
    if (self.fault == Fault::kOneLock) {
        while (the_lock.exchange(true, std::memory_order_acquire)) {
            (void)ring.submit_and_wait(1, kLockPollNs);
        }
        const sieve::Tally tally = self.worker.count();
        the_lock.store(false, std::memory_order_release);
        return tally;
    }
    if (self.fault == Fault::kOneRing && self.index != 0) {
        (void)self.go.wait(ring);
        return self.answer;
    }
    const sieve::Tally tally = self.worker.count();
    if (self.fault == Fault::kOneRing) {
        for (Seat* const other : seats().subspan(1)) {
            other->answer = other->worker.count();
            (void)other->go.signal(1);
        }
    }
    return tally;
}

std::uint64_t run_worker(cap::Ring& ring, void* argument) {
    Seat& self = *static_cast<Seat*>(argument);
    self.worker.prepare();
    if (!self.go.wait(ring)) {
        return kExitFailed;
    }
    self.worker.work(self.thread, ring, [&] { return count(self, ring); });
    return 0;
}

// In a scheduling domain the server spreads the workers. In none each is set on a CPU of its own.
cap::Result<void> make_worker(const cap::Env& env, const Options& options, std::uint32_t index,
                              sieve::ResultLine& line, bool in_domain) {
    cap::Arena arena = TRY(cap::Arena::create(env, kSeatPages));
    Seat& seat = *arena.make<Seat>(options, index, line);
    seat.go = TRY(env.process.create_notification());
    const std::uint64_t cpu = options.fault == Fault::kOneCpu ? 0 : index % env.info.cpu_count;
    const bool pinned = !in_domain || options.fault == Fault::kOneCpu;
    const cap::ThreadOptions placement{.affinity = pinned ? std::uint64_t{1} << cpu : 0, .first_cpu = cpu};
    seat.thread = TRY(cap::create_sibling(env, run_worker, &seat, placement));
    TRY(seat.thread.start());
    all_seats[seat_count++] = &seat;
    return {};
}

// Until every worker waits, by the kernel's word.
cap::Result<void> settle(const cap::Env& env) {
    for (Seat* const seat : seats()) {
        for (;;) {
            const abi::ThreadState state = TRY(seat->thread.status()).word.state();
            if (state == abi::ThreadState::kWaiting) {
                break;
            }
            if (state == abi::ThreadState::kGone) {
                env.log.print("error: worker {} ended with code {} before it was ready", seat->index,
                              TRY(seat->thread.join(env.ring)));
                return cap::fail(abi::Error::kGone);
            }
            (void)env.ring.submit_and_wait(1, kSettleNs);
        }
    }
    return {};
}

cap::Result<void> release_and_wait(const cap::Env& env, cap::Notification go) {
    for (Seat* const seat : seats()) {
        TRY(env.ring.prepare(cap::submission(abi::Op::kJoin, seat->thread.slot(), seat->index)));
    }
    TRY(go.wait(env.ring));
    for (Seat* const seat : seats()) {
        auto signal = cap::submission(abi::Op::kSignal, seat->go.slot(), 0, 1);
        signal.flags = abi::kQuietSuccess;
        TRY(env.ring.prepare(signal));
    }
    TRY(env.ring.submit_and_wait(seat_count));
    while (const auto completion = env.ring.next()) {
        if (completion->result < 0) {
            return cap::fail(static_cast<abi::Error>(completion->result));
        }
        all_seats[completion->user_data]->exit_code = completion->result;
    }
    return {};
}

cap::Result<void> account(Seat& seat) {
    const cap::ThreadStatus after = TRY(seat.thread.status());
    seat.line.account = {after.runtime_ns - seat.before.runtime_ns, after.wakes - seat.before.wakes,
                         after.calls - seat.before.calls - kWayOut, after.word.cpu(), seat.exit_code};
    return {};
}

cap::Result<void> work(const cap::Env& env, const Options& options, cap::Notification ready,
                       cap::Notification go, cap::Memory memory) {
    sieve::ResultLine* const lines = TRY(map_results(env, memory, sieve::kResultPages));
    const bool in_domain = TRY(env.thread.status()).domain != 0;
    for (std::uint32_t i = 0; i < options.workers; ++i) {
        TRY(make_worker(env, options, i, lines[i], in_domain));
    }
    TRY(settle(env));
    for (Seat* const seat : seats()) {
        seat->before = TRY(seat->thread.status());
        seat->line.state.store(sieve::WorkerState::kReady, std::memory_order_release);
    }
    TRY(ready.signal(1));
    TRY(release_and_wait(env, go));
    for (Seat* const seat : seats()) {
        TRY(account(*seat));
    }
    return {};
}

}  // namespace
}  // namespace primes

int cap_main(const cap::Env& env) {
    const auto options = primes::parse_options(env, primes::kThreadFaultNames);
    if (!options) {
        return primes::kExitUsage;
    }
    const auto ready = env.find<cap::Notification>("ready");
    const auto go = env.find<cap::Notification>("go");
    const auto memory = env.find<cap::Memory>("result");
    if (!ready || !go || !memory) {
        env.log.write("error: worker: needs the capabilities ready, go and result");
        return primes::kExitUsage;
    }
    if (const auto worked = primes::work(env, *options, *ready, *go, *memory); !worked) {
        env.log.print("error: workers: {}", worked.error());
        env.exit(primes::kExitFailed);
    }
    return 0;
}
