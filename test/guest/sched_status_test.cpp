// SPDX-License-Identifier: MIT
//
// The status table while everything moves: what is read between two equal words belongs together, and nothing
// in a line goes back as long as it is the same thread's.
#include "support/agents.hpp"
#include "support/load.hpp"
#include "support/observe.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::ThreadState;

// A thread that is unplaced has become so for one of these reasons.
bool explains_unplaced(Cause cause) {
    switch (cause) {
        case Cause::kStarted:
        case Cause::kWoken:
        case Cause::kSliceEnd:
        case Cause::kRecalled:
        case Cause::kAffinityChanged:
        case Cause::kReturned: return true;
        default: return false;
    }
}

bool explains_gone(Cause cause) {
    return cause == Cause::kExited || cause == Cause::kKilled || cause == Cause::kFaulted;
}

// What has been seen of the lines, by one reader.
struct Reader {
    DomainServer& server;
    std::atomic<std::uint64_t> reads{0};
    std::atomic<std::uint64_t> changes{0};
    std::atomic<std::uint64_t> wrong{0};  // the first line that was
    std::atomic<std::uint64_t> wrong_word{0};
    std::array<Line, 64> before{};

    [[nodiscard]] bool follows(const Line& old, const Line& now) const {
        // A free line is being prepared for its next thread.
        if (now.word.state() == ThreadState::kFree || old.word.state() == ThreadState::kFree) {
            return static_cast<std::int32_t>(now.word.sequence() - old.word.sequence()) >= 0;
        }
        if (now.ref != old.ref) {
            return now.ref.generation > old.ref.generation;
        }
        return static_cast<std::int32_t>(now.word.sequence() - old.word.sequence()) >= 0 &&
               now.wakes >= old.wakes && now.runtime_ns >= old.runtime_ns && now.label == old.label &&
               now.domain == old.domain;
    }

    void read(std::uint32_t index) {
        const Line now = server.line(index);
        const ThreadState state = now.word.state();
        const bool plausible = (state != ThreadState::kUnplaced || explains_unplaced(now.word.cause())) &&
                               (state != ThreadState::kGone || explains_gone(now.word.cause())) &&
                               state <= ThreadState::kGone && now.word.cpu() < abi::kMaxCpus;
        if ((!plausible || !follows(before[index], now)) && wrong == 0) {
            wrong = index + 1;
            wrong_word = now.word.raw;
        }
        changes += now.word != before[index].word;
        before[index] = now;
        ++reads;
    }
};

std::uint64_t read_always(cap::Ring&, void* argument) {
    Reader& reader = *static_cast<Reader*>(argument);
    for (std::uint32_t index = 0;; index = (index + 1) % reader.before.size()) {
        reader.read(index);
    }
}

void read_while_all_moves(Case& t) {
    Agents agents(t, Manner::kChaos);
    Load load(t, 1, 2);
    Crew crew(t);
    Worker& short_lived = crew.add({.order = Order::kExit});
    static std::optional<Reader> reader;  // too large for a stack
    reader.emplace(agents.server());
    const auto sibling = Sibling::start(t.env, read_always, &*reader, {.first_cpu = last_cpu(t)});
    REQUIRE_OK(t, sibling);
    for (int i = 0; i < 200; ++i) {
        REQUIRE_OK(t, short_lived.thread.start());
        REQUIRE_OK(t, i % 2 == 0 ? short_lived.thread.kill(0) : cap::Result<void>());
        REQUIRE(t, comes_to(t, short_lived, ThreadState::kGone));
        crew.renew(short_lived, {.order = Order::kExit});
        REQUIRE(t, i % 50 != 0 || load.all_progress());
    }
    t.env.log.print("race: reads={} changes={}", reader->reads.load(), reader->changes.load());
    if (reader->wrong != 0) {
        const abi::ThreadWord word{reader->wrong_word.load()};
        t.fail("line {}: state {} sequence {} cause {}", reader->wrong - 1,
               static_cast<unsigned>(word.state()), word.sequence(), static_cast<unsigned>(word.cause()));
    }
    REQUIRE(t, reader->changes > 100);
}

// kGetStatus gives what the table shows.
void call_and_table_agree(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add({.affinity = 1, .label = 99});
    for (int step = 0; step < 3; ++step) {
        const auto called = worker.thread.status();
        REQUIRE_OK(t, called);
        const Line line = server.line(worker);
        REQUIRE_EQUAL(t, called->word.raw, line.word.raw);
        REQUIRE(t, called->ref == line.ref);
        REQUIRE_EQUAL(t, called->runtime_ns, line.runtime_ns);
        REQUIRE_EQUAL(t, called->wakes, line.wakes);
        REQUIRE_EQUAL(t, called->affinity, line.affinity);
        REQUIRE_EQUAL(t, called->label, line.label);
        REQUIRE_EQUAL(t, called->word.cause(), line.word.cause());
        REQUIRE_EQUAL(t, called->domain, line.domain);
        REQUIRE_OK(t, step == 0 ? worker.thread.start() : worker.thread.kill(0));
    }
}

// A line shows when its thread became runnable: not before it was started, and not later than now.
void runnable_since(Case& t) {
    DomainServer server(t);
    Crew crew(t);
    const Worker& worker = crew.add();
    const std::uint64_t before = cap::read_tsc();
    REQUIRE_OK(t, worker.thread.start());
    const auto status = worker.thread.status();
    REQUIRE_OK(t, status);
    REQUIRE(t, status->runnable_since >= before);
    REQUIRE(t, status->runnable_since <= cap::read_tsc());
}

constexpr Entry kCases[] = {
    {"call_and_table_agree", call_and_table_agree},
    {"runnable_since", runnable_since},
    {"read_while_all_moves", read_while_all_moves},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "sched_status", kCases); }
