// SPDX-License-Identifier: MIT
//
// A mapping is taken away, from another CPU and by capability, just when a thread uses it, or exits: once the call has
// returned nothing of the old mapping is seen or written any more, though the frame is another object's by then.
#include "support/observe.hpp"
#include "support/owned.hpp"
#include "support/race.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;
using abi::Cause;
using abi::ThreadState;

constexpr std::uint64_t kThere = 0x5000'0000;  // in the crew's space
constexpr std::uint64_t kCanary = 0x0c0a'0a41;
constexpr std::uint64_t kWritten = 0x3717'7e40;
constexpr std::uint64_t kOther = 0x07e3'07e3;  // the frame's next owner's
constexpr std::uint64_t kLived = 5;            // exit code
constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite;

using Word = std::atomic<std::uint64_t>;

Word& word_at(std::uint64_t address) { return *reinterpret_cast<Word*>(address); }

enum class Act : std::uint8_t { kRead, kWrite, kExit };

struct Meeting {
    Race race;
    Act act;
    alignas(64) std::atomic<bool> changed;  // the call has returned
};

// values[]
constexpr int kRound = 0;
constexpr int kValue = 1;  // what it found
constexpr int kLate = 2;   // and whether the call had returned before it looked

std::uint64_t act_when_met(Station& station, cap::Ring&) {
    auto& meeting = *static_cast<Meeting*>(station.argument);
    auto& word = word_at(kThere);
    station.values[kValue] =
        meeting.act == Act::kWrite ? word.exchange(kCanary) : word.load();  // into the TLB
    meeting.race.meet(station.values[kRound].load());
    if (meeting.act != Act::kExit) {
        const bool late = meeting.changed;
        station.values[kValue] = meeting.act == Act::kWrite ? word.exchange(kWritten) : word.load();
        station.values[kLate] = late;
    }
    return kLived;
}

// Memory of the test's own.
struct Page {
    Page(Case& t, std::uint64_t pages, std::uint64_t content) : env(t.env) {
        const auto reserved = env.space.reserve(pages);
        auto made = env.process.create_memory(pages);
        if (!reserved || !made || !env.process.map(*made, *reserved, 0, pages, kReadWrite)) {
            t.fail("no memory");
            return;
        }
        memory = Owned(*made);
        address = *reserved;
        count = pages;
        for (std::uint64_t i = 0; i < pages; ++i) {
            word_at(address + i * abi::kPageSize) = content;
        }
    }
    ~Page() {
        if (count != 0) {
            (void)env.process.unmap(address, count);
        }
    }
    Page(const Page&) = delete;
    Page& operator=(const Page&) = delete;

    const cap::Env& env;
    Owned<cap::Memory> memory;
    std::uint64_t address = 0;
    std::uint64_t count = 0;
};

using Change = cap::Result<void> (*)(cap::Process);
// What became of a round -> whether the change came first.
using Settle = bool (*)(Case& t, const Line& line, const Station& station, std::uint64_t ipis);

cap::Result<void> unmap(cap::Process process) { return process.unmap(kThere, 1); }
cap::Result<void> protect(cap::Process process) { return process.protect(kThere, 1, abi::kRead); }

// The worker acts on the last CPU, while this thread, on CPU 0, makes the change; then another object gets the frame, if that
// freed it.
void against_a_change(Case& t, Act act, Change change, Settle settle) {
    REQUIRE_OK(t, t.env.thread.set_affinity(only(0)));
    DomainServer server(t);
    Crew crew(t);
    auto* const meeting = crew.share<Meeting>();
    REQUIRE(t, meeting != nullptr);
    meeting->act = act;
    const WorkerOptions options{.main = act_when_met, .argument = meeting, .first_cpu = last_cpu(t)};
    Worker& worker = crew.add(options);
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    Race& race = meeting->race;
    for (std::uint64_t round = 1;; ++round) {
        std::optional<Page> page;
        page.emplace(t, 1, kCanary);
        REQUIRE(t, !t.failed());
        REQUIRE_OK(t, crew.process().map(*page->memory, kThere, 0, 1, kReadWrite));
        if (act == Act::kRead) {
            page.reset();  // the crew's mapping is the last that has the frame: it becomes another's
        }
        meeting->changed = false;
        worker.station->values[kRound] = round;
        REQUIRE_OK(t, server.start(worker, last_cpu(t)));
        server.forget();
        REQUIRE(t, race.meet_aimer(round, aim));
        const auto before = MUST(t, t.machine.cpu_stats(0));
        REQUIRE_OK(t, change(crew.process()));
        meeting->changed = true;
        const auto after = MUST(t, t.machine.cpu_stats(0));
        const std::uint64_t last = page ? word_at(page->address).load() : 0;
        const Page next(t, 2, kOther);
        REQUIRE(t, comes_to(t, worker, ThreadState::kGone));
        REQUIRE(t, eventually(t.env.clock, [&] { return server.heard(worker); }));
        REQUIRE_EQUAL(t, after.shootdowns - before.shootdowns, 1);
        const bool first =
            settle(t, server.line(worker), *worker.station, after.shootdown_ipis - before.shootdown_ipis);
        REQUIRE(t, !t.failed());
        if (page && word_at(page->address).load() != last) {
            t.fail("stale: 0x{:x} was written after the change", word_at(page->address).load());
            return;
        }
        REQUIRE_OK(t, crew.process().unmap(kThere, 1));
        (void)race.settle(first);
        if (!race.steer(round, aim)) {
            break;
        }
        crew.renew(worker, options);
    }
    t.env.log.print("race: used={} changed={}", race.actor_wins(), race.aimer_wins());
    REQUIRE(t, race.exercised());
}

// A thread that found the old mapping has done so before the call returned; one that came later has faulted.
bool faulted(Case& t, const Line& line, const Station& station, std::uint64_t) {
    const auto cause = line.word.cause();
    const auto value = station.values[kValue].load();
    if (value != kCanary ||
        (cause != Cause::kFaulted && (cause != Cause::kExited || station.values[kLate] != 0))) {
        t.fail("stale: cause {}, found 0x{:x}, {} the change", static_cast<std::uint32_t>(cause), value,
               std::string_view(station.values[kLate] != 0 ? "after" : "before"));
    }
    return cause == Cause::kFaulted;
}

// The last thread that has the space on a CPU exits: the CPU is waited for, or has left.
bool left(Case& t, const Line& line, const Station& station, std::uint64_t ipis) {
    if (line.word.cause() != Cause::kExited || ipis > 1 || station.values[kValue] != kCanary) {
        t.fail("cause {}, {} IPIs", static_cast<std::uint32_t>(line.word.cause()), ipis);
    }
    return ipis == 1;
}

void unmap_and_read(Case& t) { against_a_change(t, Act::kRead, unmap, faulted); }
void unmap_and_write(Case& t) { against_a_change(t, Act::kWrite, unmap, faulted); }
void protect_and_write(Case& t) { against_a_change(t, Act::kWrite, protect, faulted); }
void unmap_and_exit(Case& t) { against_a_change(t, Act::kExit, unmap, left); }

constexpr Entry kCases[] = {
    {"unmap_and_read", unmap_and_read},
    {"unmap_and_write", unmap_and_write},
    {"protect_and_write", protect_and_write},
    {"unmap_and_exit", unmap_and_exit},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_shootdown", kCases); }
