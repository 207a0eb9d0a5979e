// SPDX-License-Identifier: MIT
//
// A reply meets the time-out, the kill and the cancelling of the call that it is for, and a call the end of its server. One side wins;
// what the two are told must agree, and nothing may be left behind.
#include "cap/endpoint.hpp"
#include "cap/joining_thread.hpp"
#include "support/observe.hpp"
#include "support/owned.hpp"

namespace {

using namespace test;
using abi::Error;
using abi::Op;
using cap::JoiningThread;

constexpr std::uint64_t kRounds = 100;
constexpr std::uint64_t kMaxRounds = 4000;
constexpr std::uint64_t kEnough = 5;
constexpr std::uint64_t kWork = 60'000;  // ticks that the server works

std::uint64_t code_of(Error error) { return static_cast<std::uint64_t>(-static_cast<std::int64_t>(error)); }

// How often which side has won: reply or what it meets.
struct Score {
    std::uint64_t replies = 0, others = 0;

    [[nodiscard]] bool goes_on() const {
        const std::uint64_t rounds = replies + others;
        return rounds < kMaxRounds && (rounds < kRounds || replies < kEnough || others < kEnough);
    }
    void print(const Case& t, std::string_view name) const {
        t.env.log.print("race: {}: replies={} others={}", name, replies, others);
    }
};

// What the server was told about its replies, by the number that it was called with.
struct Server {
    cap::Endpoint endpoint;
    std::atomic<std::uint64_t> answered{0};  // the last call whose reply has been given, or refused
    std::atomic<std::uint64_t> refused{0};   // the last that was refused
    std::atomic<std::uint64_t> wrong{0};

    std::uint64_t serve() {
        cap::Message m;
        for (;;) {
            if (!endpoint.receive(m)) {
                return 1;
            }
            const std::uint64_t call = m.words[0];
            if (call == 0) {
                return endpoint.reply(cap::answer(m)) ? 0 : 2;
            }
            delay_ticks(kWork);
            const auto replied = endpoint.reply(cap::answer(m, ~call));
            if (!replied) {
                refused = call;
                wrong += replied.error() != Error::kNoCaller ? 1 : 0;
            }
            answered = call;
        }
    }
    // Whether the reply to this call was refused, as soon as that is known.
    [[nodiscard]] bool refuses(Case& t, std::uint64_t call) const {
        return eventually(t.env.clock, [&] { return answered.load() >= call; }) && refused.load() == call;
    }
};

cap::ThreadOptions on(std::uint32_t cpu) { return {.affinity = std::uint64_t{1} << cpu, .first_cpu = cpu}; }

struct Scene {
    explicit Scene(Case& test) : t(test) {}
    ~Scene() {
        if (thread.joinable()) {
            cap::Message stop = cap::message(0);
            (void)server.endpoint.call(stop);
            if (const auto code = thread.join(t.env.ring); !code || *code != 0 || server.wrong.load() != 0) {
                t.fail("the server has ended with {}", code.value_or(99));
            }
        }
    }
    bool start() {
        auto created = cap::Endpoint::create(t.env.process);
        if (!created) {
            return false;
        }
        endpoint = Owned<cap::Endpoint>(*created);
        server.endpoint = *created;
        auto started = JoiningThread::start(t.env, [this] { return server.serve(); }, on(last_cpu(t)));
        if (!started) {
            return false;
        }
        thread = std::move(*started);
        return true;
    }

    Case& t;
    Owned<cap::Endpoint> endpoint;
    Server server;
    JoiningThread thread;
};

void time_out(Case& t) {
    Scene scene(t);
    REQUIRE(t, scene.start());
    Random random(t.seed);
    Aim aim(random, 300'000);
    Score score;
    for (std::uint64_t call = 1; score.goes_on(); ++call) {
        cap::Message m = cap::message(call);
        const auto called = scene.server.endpoint.call(m, t.env.clock.ns(kWork / 2 + aim.next()));
        REQUIRE(t, called ? m.words[0] == ~call : called.error() == Error::kTimedOut);
        // If it had not been received yet, the server does not know of it.
        if (called) {
            REQUIRE(t, !scene.server.refuses(t, call));
            ++score.replies;
            aim.was_too_late();
        } else {
            // Whoever was received is answered before the next one is received.
            cap::Message after = cap::message(++call);
            REQUIRE_OK(t, scene.server.endpoint.call(after));
            ++score.others;
            aim.was_too_early();
        }
    }
    score.print(t, "time_out");
    REQUIRE(t, score.replies >= kEnough && score.others >= kEnough);
}

void cancel(Case& t) {
    Scene scene(t);
    REQUIRE(t, scene.start());
    Random random(t.seed);
    Aim aim(random, 300'000);
    Score score;
    for (std::uint64_t call = 1; score.goes_on(); ++call) {
        t.env.ring.message(0)[0] = call;
        REQUIRE_OK(t, t.env.ring.prepare(cap::message_submission(Op::kCall, scene.server.endpoint, call,
                                                                 abi::message_info(1), 0)));
        REQUIRE_OK(t, t.env.ring.submit_and_wait(0));
        delay_ticks(kWork / 2 + aim.next());
        const auto cancelled = scene.server.endpoint.cancel(call);
        REQUIRE(t, cancelled || cancelled.error() == Error::kWrongState);
        REQUIRE_OK(t, t.env.ring.submit_and_wait(1));
        const auto done = t.env.ring.next();
        REQUIRE_EQUAL(t, done->user_data, call);
        REQUIRE_EQUAL(t, done->result, cancelled ? static_cast<std::int64_t>(Error::kCancelled) : 1);
        REQUIRE(t, cancelled || t.env.ring.message(0)[0] == ~call);
        REQUIRE(t, !t.env.ring.next());
        if (cancelled) {
            cap::Message after = cap::message(++call);
            REQUIRE_OK(t, scene.server.endpoint.call(after));
            ++score.others;
            aim.was_too_early();
        } else {
            REQUIRE(t, !scene.server.refuses(t, call));
            ++score.replies;
            aim.was_too_late();
        }
    }
    score.print(t, "cancel");
    REQUIRE(t, score.replies >= kEnough && score.others >= kEnough);
}

// The caller is killed. If its code says that it had returned, its call was answered.
void kill_caller(Case& t) {
    Scene scene(t);
    REQUIRE(t, scene.start());
    Random random(t.seed);
    Aim aim(random, 300'000);
    Score score;
    for (std::uint64_t call = 1; score.goes_on(); ++call) {
        std::atomic<bool> begins{false};
        auto caller = MUST(t, JoiningThread::start(
                                  t.env,
                                  [&]() -> std::uint64_t {
                                      cap::Message m = cap::message(call);
                                      begins = true;
                                      const auto called = scene.server.endpoint.call(m);
                                      return called && m.words[0] == ~call ? 1 : 2;
                                  },
                                  on(last_cpu(t) / 2)));
        REQUIRE(t, eventually(t.env.clock, [&] { return begins.load(); }));
        delay_ticks(aim.next());
        REQUIRE_OK(t, caller->kill(9));
        const auto code = MUST(t, caller.join(t.env.ring));
        REQUIRE(t, code == 1 || code == 9);
        cap::Message after = cap::message(++call);
        REQUIRE_OK(t, scene.server.endpoint.call(after));
        REQUIRE(t, code == 9 || scene.server.refused.load() != call - 1);
        code == 1 ? (++score.replies, aim.was_too_late()) : (++score.others, aim.was_too_early());
    }
    score.print(t, "kill_caller");
    REQUIRE(t, score.replies >= kEnough && score.others >= kEnough);
}

// The server is killed: its caller has the reply, or hears of it; one that it had not received yet waits for another server.
void kill_server(Case& t) {
    const Owned<cap::Endpoint> endpoint(MUST(t, cap::Endpoint::create(t.env.process)));
    Random random(t.seed);
    Aim aim(random, 300'000);
    Score score;
    while (score.goes_on()) {
        Server server{*endpoint};
        auto thread =
            MUST(t, JoiningThread::start(t.env, [&server] { return server.serve(); }, on(last_cpu(t))));
        auto killer = MUST(t, JoiningThread::create(
                                  t.env,
                                  [&, delay = kWork / 2 + aim.next()] {
                                      delay_ticks(delay);
                                      return thread->kill(9) ? 0 : 1;
                                  },
                                  on(last_cpu(t) / 2)));
        cap::Message m = cap::message(1);
        // Before: it has come to receive, so that the call is a direct one, at times.
        REQUIRE(t, eventually(t.env.clock, [&] {
                    const auto status = thread->status();
                    return status && status->word.state() == abi::ThreadState::kWaiting;
                }));
        REQUIRE_OK(t, killer->start());
        const auto called = endpoint->call(m, 2 * kMillisecond);
        REQUIRE_EQUAL(t, MUST(t, killer.join(t.env.ring)), 0u);
        REQUIRE_EQUAL(t, MUST(t, thread.join(t.env.ring)), 9u);
        if (called) {
            REQUIRE_EQUAL(t, m.words[0], ~1ull);
            ++score.replies;
            aim.was_too_late();
        } else {
            REQUIRE(t, called.error() == Error::kGone || called.error() == Error::kTimedOut);
            ++score.others;
            aim.was_too_early();
        }
        // Nobody is left in the queues.
        REQUIRE_ERROR(t, endpoint->receive(m, 0), Error::kTimedOut);
    }
    score.print(t, "kill_server");
    REQUIRE(t, score.replies >= kEnough && score.others >= kEnough);
}

// The last capability goes while calls come.
void endpoint_goes(Case& t) {
    Random random(t.seed);
    Aim aim(random, 100'000);
    Score score;
    while (score.goes_on()) {
        Owned<cap::Endpoint> endpoint(MUST(t, cap::Endpoint::create(t.env.process)));
        const cap::Endpoint named = *endpoint;
        std::atomic<std::uint64_t> served{0};
        auto server = MUST(t, JoiningThread::start(
                                  t.env,
                                  [&]() -> std::uint64_t {
                                      cap::Message m;
                                      auto come = named.receive(m);
                                      while (come) {
                                          ++served;
                                          m = cap::answer(m, ~m.words[0]);
                                          come = named.reply_and_receive(m);
                                      }
                                      return code_of(come.error());
                                  },
                                  on(last_cpu(t))));
        std::atomic<std::uint64_t> answered{0};
        auto caller = MUST(t, JoiningThread::start(
                                  t.env,
                                  [&]() -> std::uint64_t {
                                      for (;;) {
                                          cap::Message m = cap::message(3);
                                          const auto called = named.call(m);
                                          if (!called) {
                                              return code_of(called.error());
                                          }
                                          if (m.words[0] != ~3ull) {
                                              return 1000;
                                          }
                                          ++answered;
                                      }
                                  },
                                  on(last_cpu(t) / 2)));
        sleep_ns(100 * kMicrosecond);
        delay_ticks(aim.next());
        endpoint = {};
        // The last call was refused by the slot, or ended in the queue; or the server was told while it waited.
        const auto told = [](std::uint64_t code) {
            return code == code_of(Error::kGone) || code == code_of(Error::kStaleSlot);
        };
        const auto by_caller = MUST(t, caller.join(t.env.ring));
        const auto by_server = MUST(t, server.join(t.env.ring));
        REQUIRE(t, told(by_caller));
        REQUIRE(t, told(by_server));
        // A reply that would have to receive by a slot that has gone is not given: the server's end says so.
        const bool withheld = served.load() == answered.load() + 1 && by_server == code_of(Error::kStaleSlot);
        REQUIRE(t, withheld || served.load() == answered.load());
        by_server == code_of(Error::kGone) ? (++score.others, aim.was_too_late())
                                           : (++score.replies, aim.was_too_early());
        if (score.others >= kRounds) {
            break;  // on one CPU the server waits nearly always
        }
    }
    score.print(t, "endpoint_goes");
}

constexpr Entry kCases[] = {
    {"time_out", time_out},           {"cancel", cancel},
    {"kill_caller", kill_caller},     {"kill_server", kill_server},
    {"endpoint_goes", endpoint_goes},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_endpoint", kCases); }
