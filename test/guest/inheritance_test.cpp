// SPDX-License-Identifier: MIT
//
// Priority inversion through a chain of calls, under the real server with `priority`, all on one CPU: low calls server A, which calls
// server B; medium computes; high calls A. High gets through, though medium never stops: B, then A, have its priority. Where the chain
// breaks, they have it no more, and medium goes on. Control: with inherit=0 the same steps leave high waiting for medium.
#include "abi/sched_label.hpp"
#include "cap/endpoint.hpp"
#include "support/observe.hpp"
#include "support/server_process.hpp"

namespace {

using namespace test;
using abi::Error;

constexpr std::uint32_t kServers = 1, kLow = 10, kMedium = 100, kHigh = 200;
constexpr std::uint64_t kManyBeats = 200'000;
constexpr std::uint64_t kAnswered = 1;  // in `high_done`; else 2 - the error's number

// What the threads share; the endpoints' slots are those of the crew's table.
struct Board {
    abi::CapSlot a, b;
    std::uint64_t high_timeout_ns = abi::kForever;
    std::atomic<std::uint64_t> b_works{0}, b_may_finish{0};
    std::atomic<std::uint64_t> medium_beats{0}, medium_may_end{0};
    std::atomic<std::uint64_t> low_done{0}, high_done{0};
};

Board& board_of(Station& station) { return *static_cast<Board*>(station.argument); }

std::uint64_t serve_b(Station& station, cap::Ring&) {
    Board& board = board_of(station);
    const cap::Endpoint endpoint(board.b);
    cap::Message m;
    for (bool good = endpoint.receive(m).has_value(); good;) {
        board.b_works.fetch_add(1);
        while (board.b_may_finish.load() == 0) {
            __builtin_ia32_pause();
        }
        m = cap::answer(m, m.words[0] + 1);
        good = endpoint.reply_and_receive(m).has_value();
    }
    return 1;
}

std::uint64_t serve_a(Station& station, cap::Ring&) {
    const cap::Endpoint endpoint(board_of(station).a), next(board_of(station).b);
    cap::Message m;
    for (bool good = endpoint.receive(m).has_value(); good;) {
        cap::Message inner = cap::message(m.words[0]);
        (void)next.call(inner);
        m = cap::answer(m, inner.words[0]);
        good = endpoint.reply_and_receive(m).has_value();
    }
    return 1;
}

std::uint64_t be_low(Station& station, cap::Ring&) {
    cap::Message m = cap::message(7);
    const bool good = cap::Endpoint(board_of(station).a).call(m) && m.words[0] == 8;
    board_of(station).low_done = good ? 1 : 2;
    return 0;
}

std::uint64_t be_medium(Station& station, cap::Ring&) {
    while (board_of(station).medium_may_end.load() == 0) {
        board_of(station).medium_beats.fetch_add(1);
    }
    return 0;
}

std::uint64_t be_high(Station& station, cap::Ring&) {
    cap::Message m = cap::message(41);
    const auto called = cap::Endpoint(board_of(station).a).call(m, board_of(station).high_timeout_ns);
    board_of(station).high_done =
        called ? (m.words[0] == 42 ? kAnswered : 2) : 2 - static_cast<std::uint64_t>(called.error());
    return 0;
}

class Scene {
public:
    Scene(Case& t, std::string_view server) : t_(t), server_(t, server), crew_(t) {}
    ~Scene() { board->medium_may_end = board->b_may_finish = 1; }

    // Up to where high waits for A, which waits for B, which medium keeps from its work unless it has high's priority.
    bool set_up(std::uint64_t high_timeout_ns = abi::kForever) {
        // Before it serves, the kernel places them.
        if (!server_.is_ready()) {
            t_.fail("the server does not get ready");
            return false;
        }
        board = t_.failed() ? &none_ : crew_.share<Board>();
        board->high_timeout_ns = high_timeout_ns;
        for (abi::CapSlot* const slot : {&board->a, &board->b}) {
            const auto endpoint = cap::Endpoint::create(t_.env.process);
            const auto given = endpoint ? crew_.process().give(endpoint->slot(), abi::kRead | abi::kWrite)
                                        : cap::fail(Error::kNoMemory);
            if (!given) {
                t_.fail("no endpoint for the crew");
                return false;
            }
            *slot = *given;
            endpoint->drop();
        }
        b = start(serve_b, kServers);
        a = start(serve_a, kServers);
        if (t_.failed() || !comes_to(t_, *b, abi::ThreadState::kWaiting) ||
            !comes_to(t_, *a, abi::ThreadState::kWaiting)) {
            return false;
        }
        low = start(be_low, kLow);
        if (t_.failed() || !eventually(t_.env.clock, [&] { return board->b_works == 1; })) {
            return false;
        }
        medium = start(be_medium, kMedium);
        if (t_.failed() || !medium_goes_on()) {
            return false;
        }
        high = start(be_high, kHigh);
        return !t_.failed() && (high_timeout_ns != abi::kForever || eventually(t_.env.clock, [&] {
                                    return high->state() == abi::ThreadState::kWaiting &&
                                           high->word().cause() == abi::Cause::kCalls;
                                }));
    }
    bool medium_goes_on() {
        const std::uint64_t before = board->medium_beats;
        return eventually(t_.env.clock, [&] { return board->medium_beats > before + kManyBeats; });
    }
    bool becomes(std::atomic<std::uint64_t>& value, std::uint64_t what) {
        return eventually(t_.env.clock, [&] { return value != 0; }) && value == what;
    }
    // All goes to its end, and nobody but the server has placed anything.
    bool ends_well(std::uint64_t low_done = 1) {
        board->b_may_finish = board->medium_may_end = 1;
        return becomes(board->low_done, low_done) && comes_to(t_, *b, abi::ThreadState::kWaiting);
    }

    Board* board = &none_;
    Worker *a = nullptr, *b = nullptr, *low = nullptr, *medium = nullptr, *high = nullptr;

private:
    Worker* start(WorkerMain main, std::uint32_t priority) {
        Worker& worker = crew_.add({.main = main,
                                    .argument = board,
                                    .affinity = 1,
                                    .label = abi::SchedLabel{.priority = priority}.pack()});
        if (!t_.failed() && !worker.thread.start()) {
            t_.fail("a thread cannot be started");
        }
        return &worker;
    }

    Case& t_;
    ServerProcess server_;
    Crew crew_;
    Board none_;
};

std::uint64_t fallbacks(Case& t) {
    const auto stats = sum_of_stats(t);
    return stats ? stats->fallback_dispatches : ~0ull;
}

void high_gets_through(Case& t) {
    const std::uint64_t before = fallbacks(t);
    Scene s(t, "policy=priority");
    REQUIRE(t, s.set_up());
    s.board->b_may_finish = 1;
    REQUIRE(t, s.becomes(s.board->high_done, kAnswered));
    REQUIRE(t, s.medium_goes_on());
    REQUIRE_EQUAL(t, s.board->low_done.load(), 0u);  // answered before high, but nobody waits for it
    REQUIRE(t, s.ends_well());
    REQUIRE_EQUAL(t, fallbacks(t), before);
}

void inversion_without_inheritance(Case& t) {
    Scene s(t, "policy=priority inherit=0");
    REQUIRE(t, s.set_up());
    s.board->b_may_finish = 1;
    REQUIRE(t, s.medium_goes_on());
    REQUIRE_EQUAL(t, s.board->high_done.load(), 0u);
    s.board->medium_may_end = 1;
    REQUIRE(t, s.becomes(s.board->high_done, kAnswered));
    REQUIRE(t, s.ends_well());
}

// In these B works until the end: while it has high's priority, medium stands still.
void claim_returns_by_time_out(Case& t) {
    Scene s(t, "policy=priority");
    REQUIRE(t, s.set_up(20 * kMillisecond));
    REQUIRE(t, s.becomes(s.board->high_done, 2 - static_cast<std::uint64_t>(Error::kTimedOut)));
    REQUIRE(t, s.medium_goes_on());
    REQUIRE(t, s.ends_well());
}

void claim_returns_by_kill(Case& t) {
    Scene s(t, "policy=priority");
    REQUIRE(t, s.set_up());
    REQUIRE_OK(t, s.high->thread.kill(0));
    REQUIRE(t, s.medium_goes_on());
    REQUIRE(t, s.ends_well());
}

void claim_returns_when_the_middle_dies(Case& t) {
    Scene s(t, "policy=priority");
    REQUIRE(t, s.set_up());
    REQUIRE_OK(t, s.a->thread.kill(0));
    REQUIRE(t, s.medium_goes_on());
    REQUIRE_OK(t, s.high->thread.kill(0));  // it waits for another receiver of A's endpoint
    REQUIRE(t, s.ends_well(2));
}

constexpr Entry kCases[] = {
    {"high_gets_through", high_gets_through},
    {"inversion_without_inheritance", inversion_without_inheritance},
    {"claim_returns_by_time_out", claim_returns_by_time_out},
    {"claim_returns_by_kill", claim_returns_by_kill},
    {"claim_returns_when_the_middle_dies", claim_returns_when_the_middle_dies},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "inheritance", kCases); }
