// SPDX-License-Identifier: MIT
//
// Chains of calls among threads of the domain, while a server places them as it likes: whoever calls has its own answer, no wake is
// lost, and the ledger is even all the time. Callers lend their time, and are stopped, moved, recalled and woken in between.
#include "cap/endpoint.hpp"
#include "support/agents.hpp"
#include "support/observe.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"
#include "support/wake_ledger.hpp"

namespace {

using namespace test;
using abi::Error;

constexpr std::uint64_t kCalls = 3000;

struct Scene {
    abi::CapSlot front, back;  // in the crew's table
    std::atomic<std::uint64_t> done{0}, wrong{0};
};

// A call to the front is one to the back, too.
std::uint64_t answer_of(std::uint64_t word) { return ~(word + 1); }

std::uint64_t serve_front(Station& station, cap::Ring&) {
    Scene& scene = *static_cast<Scene*>(station.argument);
    const cap::Endpoint front(scene.front);
    const cap::Endpoint back(scene.back);
    cap::Message m;
    auto come = front.receive(m);
    for (; come; come = front.reply_and_receive(m)) {
        cap::Message inner = cap::message(m.words[0] + 1);
        if (!back.call(inner)) {
            return 1;
        }
        m = cap::answer(m, inner.words[0]);
        ++station.beats;
    }
    return 2;
}

std::uint64_t serve_back(Station& station, cap::Ring&) {
    const cap::Endpoint back(static_cast<Scene*>(station.argument)->back);
    cap::Message m;
    auto come = back.receive(m);
    for (; come; come = back.reply_and_receive(m)) {
        m = cap::answer(m, ~m.words[0]);
        ++station.beats;
    }
    return 2;
}

std::uint64_t call(Station& station, cap::Ring&) {
    Scene& scene = *static_cast<Scene*>(station.argument);
    const cap::Endpoint front(scene.front);
    for (std::uint64_t i = 0; i < kCalls; ++i) {
        const std::uint64_t word = station.ring_address + i;  // nobody else's
        cap::Message m = cap::message(word);
        scene.wrong += front.call(m) && m.words[0] == answer_of(word) ? 0 : 1;
        ++station.beats;
    }
    ++scene.done;
    return 0;
}

void storm(Case& t, Manner manner) {
    Agents agents(t, manner);
    const Owned<cap::Endpoint> front(MUST(t, cap::Endpoint::create(t.env.process)));
    const Owned<cap::Endpoint> back(MUST(t, cap::Endpoint::create(t.env.process)));
    Crew crew(t);
    Scene* const scene = crew.share<Scene>();
    REQUIRE(t, scene != nullptr);
    scene->front = MUST(t, crew.process().give(front->slot(), abi::kRead | abi::kWrite));
    scene->back = MUST(t, crew.process().give(back->slot(), abi::kRead | abi::kWrite));
    constexpr std::uint64_t kCallers = 4;
    const auto add = [&](WorkerMain main, std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i) {
            const Worker& worker = crew.add({.main = main, .argument = scene, .first_cpu = i % t.cpus()});
            if (!worker.thread.start()) {
                t.fail("a worker does not start");
            }
        }
    };
    static std::optional<WakeLedgerCheck> ledger;
    ledger.emplace(agents.server().domain(), t.env.clock);
    const auto looker = MUST(t, Sibling::start(t.env, WakeLedgerCheck::look_always, &*ledger));
    add(serve_back, 1);
    add(serve_front, 2);
    add(call, kCallers);
    REQUIRE(t, eventually(t.env.clock, [&] { return scene->done.load() == kCallers; }, 4 * patience_ns));
    REQUIRE_EQUAL(t, scene->wrong.load(), 0u);
    ledger->report(t);
    std::uint64_t direct = 0;
    for (const Worker& worker : crew.workers()) {
        direct += agents.server().domain().wake_ledger(worker.ref.index).value_or(abi::WakeLedger{}).direct;
    }
    t.env.log.print("race: calls={} direct={}", kCallers * kCalls, direct);
    REQUIRE(t, direct > 0);
}

void placed_plainly(Case& t) { storm(t, Manner::kPlain); }
void placed_anywhere(Case& t) { storm(t, Manner::kChaos); }
void hinted(Case& t) { storm(t, Manner::kHints); }

constexpr Entry kCases[] = {
    {"placed_plainly", placed_plainly},
    {"placed_anywhere", placed_anywhere},
    {"hinted", hinted},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_calls", kCases); }
