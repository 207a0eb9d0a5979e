// SPDX-License-Identifier: MIT
//
// messaging: for each CPU a messenger hands requests to four workers by unpark, and each worker waits for its next one by park
// (in the manner of C. Mason's schbench). A request is a little work with a result that the messenger adds up.
//
// Series `wake`: from the hand-over to the worker's first instruction. Operations: requests. Fault `lose_request`: a messenger
// keeps one to itself.
#include "workload/frame.hpp"
#include "workload/team.hpp"
#include "workload/work.hpp"

#include <algorithm>
#include <atomic>

namespace {

using workload::Histogram;

constexpr std::size_t kWorkers = 4;  // of a messenger
constexpr std::size_t kMaxMessengers = 16;
constexpr std::uint64_t kRequests = 100;  // of a messenger, times scale
constexpr std::uint64_t kSteps = 4'000;   // of a request

enum : std::uint32_t { kFree, kFull, kDone, kStop };

// A worker's place. Its plain fields belong to the worker while `state` is kFull, and else to the messenger.
struct alignas(64) Seat {
    std::atomic<std::uint32_t> state{kFree};
    std::uint64_t request = 0;
    std::uint64_t handed_over = 0;  // TSC
    std::uint64_t result = 0;
    std::uint64_t served = 0;
    Histogram wakes;
};

struct Messenger {
    std::array<Seat, kWorkers> seats;
    cap::Semaphore vacant{kWorkers};  // seats that are not kFull
    std::uint64_t sum = 0;            // of all results
};

std::array<Messenger, kMaxMessengers> messengers;

void serve(Messenger& messenger, Seat& seat) {
    for (;;) {
        const std::uint32_t state =
            seat.state.load(std::memory_order_acquire);  // pairs with hand_over()'s release
        if (state == kStop) {
            return;
        }
        if (state != kFull) {
            (void)cap::park(seat.state, state);
            continue;
        }
        seat.wakes.add(cap::read_tsc() - seat.handed_over);
        seat.result = workload::work(seat.request, kSteps);
        ++seat.served;
        seat.state.store(kDone, std::memory_order_release);  // pairs with collect()'s acquire
        messenger.vacant.release();
    }
}

void collect(Messenger& messenger, Seat& seat) {
    if (seat.state.load(std::memory_order_acquire) == kDone) {
        messenger.sum += seat.result;
        seat.state.store(kFree, std::memory_order_relaxed);  // nobody else waits for that
    }
}

void hand_over(Seat& seat, std::uint32_t what) {
    seat.state.store(what, std::memory_order_release);
    (void)cap::unpark(seat.state, 1);
}

Seat& vacant_seat(Messenger& messenger, std::size_t& next) {
    messenger.vacant.acquire();
    for (;; ++next) {
        Seat& seat = messenger.seats[next % kWorkers];
        if (seat.state.load(std::memory_order_acquire) != kFull) {
            return seat;
        }
    }
}

void send(Messenger& messenger, std::uint64_t first, std::uint64_t requests, bool lose_one) {
    std::size_t next = 0;
    for (std::uint64_t i = 0; i < requests; ++i) {
        Seat& seat = vacant_seat(messenger, next);
        collect(messenger, seat);
        if (lose_one && i == requests / 2) {
            messenger.vacant.release();
            continue;
        }
        seat.request = first + i;
        seat.handed_over = cap::read_tsc();
        hand_over(seat, kFull);
        ++next;
    }
    for (std::size_t i = 0; i < kWorkers; ++i) {
        messenger.vacant.acquire();  // all are served
    }
    for (Seat& seat : messenger.seats) {
        collect(messenger, seat);
        hand_over(seat, kStop);
    }
}

cap::Result<void> messaging(workload::Context& context) {
    const std::uint64_t count = std::min<std::uint64_t>(context.cpus, kMaxMessengers);
    const std::uint64_t requests = kRequests * context.scale;
    workload::Team<kMaxMessengers*(kWorkers + 1)> team(context.env);
    for (std::uint64_t m = 0; m < count; ++m) {
        Messenger& messenger = messengers[m];
        const std::uint64_t first = context.seed + m * requests;
        const bool lose_one = context.faulty && m == 0;
        TRY(team.add([&messenger, first, requests, lose_one] { send(messenger, first, requests, lose_one); },
                     {.priority = 160}));
        for (Seat& seat : messenger.seats) {
            TRY(team.add([&messenger, &seat] { serve(messenger, seat); }));
        }
    }
    TRY(team.begin(context.report));
    TRY(team.join());
    TRY(context.report.end(count * requests));

    static Histogram wakes;
    std::uint64_t served = 0;
    std::uint64_t sum = 0;
    std::uint64_t right = 0;
    for (std::uint64_t m = 0; m < count; ++m) {
        for (const Seat& seat : messengers[m].seats) {
            wakes.merge(seat.wakes);
            served += seat.served;
        }
        sum += messengers[m].sum;
        for (std::uint64_t i = 0; i < requests; ++i) {
            right += workload::outcome(context.seed + m * requests + i, kSteps);
        }
    }
    context.report.check(served == count * requests, "{} requests served of {}", served, count * requests);
    context.report.check(sum == right, "the results' sum is {:x}, not {:x}", sum, right);
    context.report.series("wake", wakes);
    return {};
}

}  // namespace

int cap_main(const cap::Env& env) { return workload::run(env, {"messaging", "lose_request", messaging}); }
