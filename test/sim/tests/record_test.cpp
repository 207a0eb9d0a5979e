// SPDX-License-Identifier: MIT
//
// What a Recorder writes down of a simulation, the same policy repeats; and what is wrong with a recording is found.
#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "from_record.hpp"
#include "recorder.hpp"
#include "replay.hpp"
#include "support.hpp"

using namespace test;
using Catch::Matchers::Contains;
using sched::RecordEntry;
using sched::RecordKind;

namespace {

struct Recorded {
    std::vector<std::byte> bytes{};
    sim::Result result{};
    std::string refused{};
};

Recorded record(sched::Policy& policy, const sim::Scenario& scenario, std::size_t count) {
    const auto pages = std::make_unique<sched::RecordPage[]>(count);
    const auto recorder = std::make_unique<sched::Recorder>(policy, sched::Machine{scenario.cpus},
                                                            std::span(pages.get(), count), 77);
    Recorded made{.result = sim::simulate(*recorder, scenario, 1)};
    const auto bytes = std::as_bytes(std::span(pages.get(), count));
    made.bytes.assign(bytes.begin(), bytes.end());
    return made;
}

Recorded record(const sched::PolicyEntry& entry, const sim::Scenario& scenario, std::size_t count = 1024) {
    const auto seat = std::make_unique<sched::PolicySeat>();
    cap::LineBuffer<400> error;
    sched::Policy* const policy = seat->prepare(entry, {}, {scenario.cpus}, error);
    return policy != nullptr ? record(*policy, scenario, count)
                             : Recorded{.refused = std::string(error.view())};
}

std::string difference(const sim::Recording& recording) {
    return sim::replay(recording).difference.value_or("none");
}

RecordEntry& find(sim::Recording& recording, RecordKind kind, bool with_thread = false) {
    for (RecordEntry& entry : recording.entries) {
        if (entry.kind == kind && (!with_thread || entry.ref != 0)) {
            return entry;
        }
    }
    FAIL("no such entry");
    return recording.entries.front();
}

sim::Scenario small() {
    return scenario(
        "cpus 4 threads 2\nthreads 10 run exp:9ms sleep exp:3ms times 5\nthreads 3 run 40ms cpus 1");
}
const sched::PolicyEntry& round_robin() { return *sched::find_policy("round_robin"); }

// Decides by how often it was made, so its copy decides otherwise.
class Moody final : public sched::Policy {
public:
    std::string_view name() const override { return "fifo"; }
    void enqueue(sched::Task& task, cox::abi::Cause, std::uint64_t) override { queue_.push_back(task); }
    std::optional<sched::Pick> pick_next(std::uint32_t cpu, std::uint64_t) override {
        sched::Task* const task = queue_.take_first(cpu);
        return task != nullptr ? std::optional(sched::Pick{task, ++picks_ == 5 ? 1'000'000u : 0u})
                               : std::nullopt;
    }

private:
    sched::TaskQueue queue_;
    int picks_ = 0;
};

}  // namespace

TEST_CASE("record: every policy repeats what it did, and recording changes nothing") {
    for (const char* file : {"mixed.sim", "periodic.sim", "pinned.sim", "teams.sim", "visitors.sim"}) {
        const sim::Scenario scenario = scenario_file(file);
        for (const sched::PolicyEntry& entry : sched::known_policies()) {
            INFO(file << " policy " << entry.name);
            const Recorded recorded = record(entry, scenario);
            if (!recorded.refused.empty()) {
                WARN(recorded.refused);
                continue;
            }
            CHECK(recorded.result.hash == run(entry, scenario, 1).result.hash);
            const sim::Recording recording = sim::parse_recording(recorded.bytes);
            REQUIRE(recording.not_kept == 0);
            const sim::Replay replay = sim::replay(recording);
            CHECK(replay.difference.value_or("") == "");
            CHECK(replay.policy == entry.name);
            CHECK(replay.picks >= recorded.result.decisions);  // a drained end picks more
        }
    }
}

TEST_CASE("record: a full recording is whole as far as it goes, and counts the rest") {
    const Recorded recorded = record(round_robin(), small(), 2);
    const sim::Recording recording = sim::parse_recording(recorded.bytes);
    CHECK(recording.entries.size() == 2 * sched::kEntriesPerPage);
    CHECK(recording.not_kept > 0);
    CHECK(difference(recording) == "none");
}

TEST_CASE("record: one entry that is wrong is found, and named") {
    const Recorded recorded = record(round_robin(), small());
    const sim::Recording good = sim::parse_recording(recorded.bytes);
    REQUIRE(difference(good) == "none");
    auto wrong = good;
    find(wrong, RecordKind::kPick, true).ref ^= 1;
    CHECK_THAT(
        difference(wrong),
        Contains("pick_next(CPU 0): recorded thread 1.1, slice 5000000 ns, hints 0; replayed thread 0.1"));
    wrong = good;
    find(wrong, RecordKind::kPick, true).words[0] += 1;
    CHECK_THAT(difference(wrong), Contains("slice 5000001 ns"));
    wrong = good;
    find(wrong, RecordKind::kPick, true).ref = 0;
    CHECK_THAT(difference(wrong), Contains("recorded none; replayed thread 0.1"));
    wrong = good;
    find(wrong, RecordKind::kDepth).words[0] = 3;
    CHECK_THAT(difference(wrong), Contains("depth(): recorded 3; replayed 2"));
    wrong = good;
    find(wrong, RecordKind::kPreempt).cpu = 1;
    CHECK_THAT(difference(wrong), Contains("preempt(): recorded 1; replayed 65535"));
    wrong = good;
    find(wrong, RecordKind::kNextTick).words[0] = 5;
    CHECK_THAT(difference(wrong), Contains("next_tick_ns(): recorded 5;"));
    wrong = good;
    find(wrong, RecordKind::kEnqueue).kind = RecordKind::kDepth;
    CHECK(difference(wrong) != "none");
    wrong = good;
    wrong.entries.insert(wrong.entries.end() - 1, find(wrong, RecordKind::kEnqueue));
    wrong.entries.insert(wrong.entries.end() - 1, find(wrong, RecordKind::kEnqueue));
    CHECK_THAT(difference(wrong), Contains("assertion failed"));
}

TEST_CASE("record: another parameter decides otherwise") {
    const sim::Recording good = sim::parse_recording(record(round_robin(), small()).bytes);
    const sched::Setting setting{"slice_us", "3000"};
    CHECK_THAT(sim::replay(good, std::span(&setting, 1)).difference.value_or(""),
               Contains("replayed thread 0.1, slice 3000000 ns"));
}

TEST_CASE("record: a policy that decides by what it was not told is found") {
    Moody moody;
    CHECK_THAT(difference(sim::parse_recording(record(moody, small(), 256).bytes)),
               Contains("slice 1000000 ns"));
}

TEST_CASE("record: what is no recording is refused") {
    const Recorded recorded = record(round_robin(), small(), 8);
    const auto refusal = [](std::vector<std::byte> bytes) {
        try {
            (void)sim::replay(sim::parse_recording(bytes));
        } catch (const sim::BadRecording& bad) {
            return std::string(bad.what());
        }
        return std::string("none");
    };
    const auto changed = [&](std::size_t at, std::byte value) {
        auto bytes = recorded.bytes;
        bytes[at] = value;
        return bytes;
    };
    CHECK(refusal({}) == "it is not made of whole pages");
    CHECK(refusal({recorded.bytes.begin(), recorded.bytes.end() - 1}) == "it is not made of whole pages");
    CHECK(refusal({recorded.bytes.begin(), recorded.bytes.end() - 4096}) ==
          "page 0 is not page 0 of 7 of the recording");
    CHECK(refusal(changed(4096, std::byte{0})) == "page 1 does not begin as one of a recording");
    CHECK(refusal(changed(4096 + 16, std::byte{1})) == "page 1 is not page 1 of 8 of the recording");
    CHECK(refusal(changed(32, std::byte{64})) == "page 0 has 64 entries");
    CHECK(refusal(changed(32, std::byte{62})) == "page 1 has 63 entries");
    CHECK(refusal(changed(64, std::byte{6})) == "entry 0: the policy's name is missing");
    CHECK_THAT(refusal(changed(64 + 24, std::byte{'x'})),
               Contains("policy \"xound_robin\" unknown; known: "));
    CHECK_THAT(refusal(changed(64 * 20, std::byte{99})), Contains("kind 99 has no place here"));
    sim::Recording undescribed = sim::parse_recording(recorded.bytes);
    find(undescribed, RecordKind::kEnqueue).ref = 99;
    CHECK_THROWS_WITH(sim::replay(undescribed), Contains("has not been described"));
    CHECK_THROWS_WITH(sim::read_recording("/none"), "cannot read /none");
}

TEST_CASE("record: a recording becomes an arrival trace") {
    sim::Scenario visitors = scenario_file("visitors.sim");
    const std::vector<sim::TraceThread> wanted = visitors.crews[0].trace;
    // The simulation ends with the last exit, before the server has heard of it: that is this one's.
    sim::Crew& last = visitors.crews.emplace_back();
    last.count = 1;
    last.run.a = 60'000'000;
    last.times = last.label = 1;
    auto made = sim::threads_of(sim::parse_recording(record(round_robin(), visitors).bytes));
    REQUIRE(std::erase_if(made, [](const sim::TraceThread& thread) { return thread.label == 1; }) == 1);
    REQUIRE(made.size() == wanted.size());
    for (std::size_t i = 0; i < made.size(); ++i) {
        CHECK(made[i].start_ns == wanted[i].start_ns);
        CHECK(made[i].affinity == wanted[i].affinity);
        CHECK(made[i].label == wanted[i].label);
        REQUIRE(made[i].phases.size() == wanted[i].phases.size());
        for (std::size_t phase = 0; phase < made[i].phases.size(); ++phase) {
            const std::uint64_t late_ns = phase % 2 == 0 ? 0 : sim::Costs{}.event_ns;
            CHECK(made[i].phases[phase] == wanted[i].phases[phase] - late_ns);
        }
    }
    const auto again = sim::parse_trace(sim::trace_text(made), "again");
    REQUIRE(again.size() == made.size());
    CHECK(again[3].affinity == 1);
    CHECK(again[1].phases == made[1].phases);
}
