// SPDX-License-Identifier: MIT
//
// Every transition from every state: whether it happens, where it leads, and what it does to the sequence number.
// Long because all of them are here, with the helpers that they share.
#include "core/thread_word.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

using cox::abi::Cause;
using cox::abi::ThreadState;
using cox::abi::ThreadWord;
using cox::core::ThreadStateWord;
using cox::core::Transition;

namespace {

constexpr ThreadState kStates[] = {ThreadState::kFree,      ThreadState::kCreated, ThreadState::kRunning,
                                   ThreadState::kQueued,    ThreadState::kWaiting, ThreadState::kUnplaced,
                                   ThreadState::kSuspended, ThreadState::kFaulted, ThreadState::kGone};
constexpr std::uint32_t kCpu = 5;
constexpr std::uint32_t kSequence = 41;

ThreadWord word(ThreadState state, std::uint64_t bits = 0) {
    return {std::uint64_t{kSequence} << 32 | std::uint64_t{kCpu} << 8 | static_cast<std::uint8_t>(state) |
            bits};
}

struct Outcome {
    ThreadState to;
    std::uint32_t steps;  // that the sequence number rises
};

struct Rule {
    std::string name;
    std::function<Transition(ThreadStateWord&, ThreadWord)> apply;
    std::map<ThreadState, Outcome> outcomes;  // every state that it is allowed from
};

const std::vector<Rule>& rules() {
    using S = ThreadState;
    static const std::vector<Rule> all = {
        {"start", [](auto& w, auto) { return w.start(); }, {{S::kCreated, {S::kUnplaced, 1}}}},
        {"start_to_queue",
         [](auto& w, auto) { return w.start_to_queue(); },
         {{S::kCreated, {S::kQueued, 1}}}},
        {"wake",
         [](auto& w, auto) { return w.wake(); },
         {{S::kWaiting, {S::kUnplaced, 1}},
          {S::kRunning, {S::kRunning, 0}},
          {S::kQueued, {S::kQueued, 0}},
          {S::kSuspended, {S::kSuspended, 0}}}},
        {"wake_to_queue",
         [](auto& w, auto) { return w.wake_to_queue(); },
         {{S::kWaiting, {S::kQueued, 1}},
          {S::kRunning, {S::kRunning, 0}},
          {S::kQueued, {S::kQueued, 0}},
          {S::kSuspended, {S::kSuspended, 0}}}},
        {"commit", [](auto& w, auto seen) { return w.place(seen, kCpu); }, {{S::kUnplaced, {S::kQueued, 1}}}},
        {"commit where it was",
         [](auto& w, auto seen) {
             return w.place_again(seen, kCpu, ThreadStateWord::queued_by_commit(kCpu));
         },
         {{S::kUnplaced, {S::kQueued, 1}}}},
        {"commit, and dispatch",
         [](auto& w, auto seen) {
             return w.place_and_dispatch(seen, ThreadStateWord::running_by_commit(kCpu));
         },
         {{S::kUnplaced, {S::kRunning, 1}}}},
        {"kernel placement",
         [](auto& w, auto seen) { return w.place_by_kernel(seen, kCpu, Cause::kWatchdog); },
         {{S::kUnplaced, {S::kQueued, 0}}}},
        {"dispatch", [](auto& w, auto) { return w.dispatch(); }, {{S::kQueued, {S::kRunning, 0}}}},
        {"requeue",
         [](auto& w, auto) { return w.requeue(Cause::kFallbackSlice); },
         {{S::kRunning, {S::kQueued, 0}}}},
        {"requeue of the server's",
         [](auto& w, auto) { return w.requeue_placed(Cause::kYielded); },
         {{S::kRunning, {S::kQueued, 0}}}},
        {"wake of one that waits",
         [](auto& w, auto) { return w.wake_waiting(kCpu); },
         {{S::kWaiting, {S::kQueued, 1}}}},
        {"block of the server's",
         [](auto& w, auto) { return w.block_placed(); },
         {{S::kRunning, {S::kWaiting, 1}}}},
        {"block", [](auto& w, auto) { return w.block(); }, {{S::kRunning, {S::kWaiting, 1}}}},
        {"unplace",
         [](auto& w, auto) { return w.unplace(Cause::kSliceEnd); },
         {{S::kRunning, {S::kUnplaced, 1}}, {S::kQueued, {S::kUnplaced, 1}}}},
        {"exit",
         [](auto& w, auto) { return w.exit(Cause::kExited); },
         {{S::kRunning, {S::kGone, 1}}, {S::kQueued, {S::kGone, 1}}}},
        {"kill",
         [](auto& w, auto seen) { return w.kill(seen); },
         {{S::kCreated, {S::kGone, 1}},
          {S::kWaiting, {S::kGone, 1}},
          {S::kUnplaced, {S::kGone, 1}},
          {S::kSuspended, {S::kGone, 1}}}},
        {"suspend",
         [](auto& w, auto seen) { return w.suspend(seen); },
         {{S::kWaiting, {S::kSuspended, 1}}, {S::kUnplaced, {S::kSuspended, 1}}}},
        {"resume of one that waits still",
         [](auto& w, auto seen) { return w.resume(seen, false); },
         {{S::kSuspended, {S::kWaiting, 1}}}},
        {"request",
         [](auto& w, auto) { return w.request(cox::abi::kRequestRecall); },
         {{S::kRunning, {S::kRunning, 0}}, {S::kQueued, {S::kQueued, 0}}}},
        {"move_created",
         [](auto& w, auto) { return w.move_created(kCpu); },
         {{S::kCreated, {S::kCreated, 0}}}},
    };
    return all;
}

}  // namespace

TEST_CASE("each transition leaves only its states, and raises the sequence as specified", "[thread_word]") {
    for (const Rule& rule : rules()) {
        for (const ThreadState from : kStates) {
            CAPTURE(rule.name, static_cast<int>(from));
            std::atomic<std::uint64_t> raw{word(from).raw};
            ThreadStateWord state(raw);
            const Transition result = rule.apply(state, word(from));
            const auto outcome = rule.outcomes.find(from);
            CHECK(result.done == (outcome != rule.outcomes.end()));
            CHECK(result.word == state.load());
            if (outcome == rule.outcomes.end()) {
                CHECK(state.load() == word(from));
                continue;
            }
            CHECK(state.load().state() == outcome->second.to);
            CHECK(state.load().sequence() == kSequence + outcome->second.steps);
            CHECK(state.load().cpu() == kCpu);
        }
    }
}

TEST_CASE("a pending wake is consumed by block, once", "[thread_word]") {
    std::atomic<std::uint64_t> raw{word(ThreadState::kRunning).raw};
    ThreadStateWord state(raw);
    REQUIRE(state.wake().word.wake_pending());
    const Transition first = state.block();
    CHECK((first.done && first.word.state() == ThreadState::kRunning && !first.word.wake_pending()));
    CHECK(state.block().word.state() == ThreadState::kWaiting);
}

TEST_CASE("what the kernel has placed is not requeued as the server's", "[thread_word]") {
    std::atomic<std::uint64_t> raw{word(ThreadState::kRunning, ThreadStateWord::kPlacedByKernel).raw};
    ThreadStateWord state(raw);
    CHECK_FALSE(state.requeue_placed(Cause::kYielded).done);
    CHECK_FALSE(state.block_placed().done);
    CHECK(state.requeue(Cause::kYielded).done);
}

TEST_CASE("the quick ways to wake and to block leave the same word as the others", "[thread_word]") {
    std::atomic<std::uint64_t> quick{word(ThreadState::kWaiting).raw};
    std::atomic<std::uint64_t> full{quick.load()};
    CHECK(ThreadStateWord(quick).wake_waiting(kCpu + 1).word ==
          ThreadStateWord(full).wake_hinted(kCpu + 1).word);
    quick = full = word(ThreadState::kRunning).raw;
    CHECK(ThreadStateWord(quick).block_placed().word == ThreadStateWord(full).block().word);
}

TEST_CASE("a call blocks its thread and another goes on in its place", "[thread_word]") {
    const auto to = ThreadStateWord::waiting_in_call(kCpu, Cause::kCalls);
    for (const std::uint64_t placed : {std::uint64_t{0}, ThreadStateWord::kPlacedByKernel}) {
        std::atomic<std::uint64_t> caller{word(ThreadState::kRunning, placed).raw};
        std::atomic<std::uint64_t> server{word(ThreadState::kWaiting).raw};
        const auto before = ThreadStateWord(caller).load();
        const auto sequence = ThreadStateWord(server).load().sequence();
        const auto blocked = ThreadStateWord(caller).block_in_call(before, to);
        REQUIRE(blocked.done);
        CHECK(blocked.word.state() == ThreadState::kWaiting);
        CHECK(blocked.word.cause() == Cause::kCalls);
        CHECK(blocked.word.sequence() == before.sequence() + 1);
        CHECK(blocked.word.cpu() == before.cpu());
        CHECK_FALSE(blocked.word.placed_by_kernel());
        const auto goes_on = ThreadStateWord(server).continue_call(before);
        REQUIRE(goes_on.done);
        CHECK(goes_on.word.state() == ThreadState::kRunning);
        CHECK(goes_on.word.cpu() == before.cpu());
        CHECK(goes_on.word.sequence() == sequence);
        CHECK(goes_on.word.placed_by_kernel() == (placed != 0));
    }
    for (unsigned bit = ThreadStateWord::kRequestShift; bit < ThreadStateWord::kRequestShift + 7; ++bit) {
        std::atomic<std::uint64_t> raw{word(ThreadState::kRunning, std::uint64_t{1} << bit).raw};
        CHECK_FALSE(ThreadStateWord(raw).block_in_call(ThreadStateWord(raw).load(), to).done);
    }
    std::atomic<std::uint64_t> woken{word(ThreadState::kRunning, ThreadStateWord::kWakePending).raw};
    CHECK_FALSE(ThreadStateWord(woken).block_in_call(ThreadStateWord(woken).load(), to).done);
    for (const auto state : {ThreadState::kRunning, ThreadState::kQueued, ThreadState::kUnplaced,
                             ThreadState::kSuspended, ThreadState::kGone}) {
        std::atomic<std::uint64_t> raw{word(state).raw};
        CHECK_FALSE(ThreadStateWord(raw).continue_call(word(ThreadState::kRunning)).done);
    }
    // Asked for something since it was looked at.
    std::atomic<std::uint64_t> raw{word(ThreadState::kRunning).raw};
    const auto seen = ThreadStateWord(raw).load();
    REQUIRE(ThreadStateWord(raw).request(cox::abi::kRequestKill).done);
    CHECK_FALSE(ThreadStateWord(raw).block_in_call(seen, to).done);
}

TEST_CASE("anything that is asked for, or a pending wake, is left to the full block", "[thread_word]") {
    for (unsigned bit = ThreadStateWord::kRequestShift; bit < ThreadStateWord::kRequestShift + 7; ++bit) {
        std::atomic<std::uint64_t> raw{word(ThreadState::kRunning, std::uint64_t{1} << bit).raw};
        CHECK_FALSE(ThreadStateWord(raw).block_placed().done);
    }
    std::atomic<std::uint64_t> raw{word(ThreadState::kRunning, ThreadStateWord::kWakePending).raw};
    CHECK_FALSE(ThreadStateWord(raw).block_placed().done);
}

TEST_CASE("a kill stops what would hide the thread, and nothing else does", "[thread_word]") {
    const auto kill = std::uint64_t{cox::abi::kRequestKill} << ThreadStateWord::kRequestShift;
    const auto recall = std::uint64_t{cox::abi::kRequestRecall} << ThreadStateWord::kRequestShift;
    std::atomic<std::uint64_t> raw{word(ThreadState::kRunning, kill).raw};
    ThreadStateWord state(raw);
    CHECK_FALSE(state.block().done);
    CHECK_FALSE(state.unplace(Cause::kRecalled).done);
    CHECK_FALSE(state.requeue(Cause::kFallbackSlice).done);
    CHECK_FALSE(state.requeue_placed(Cause::kYielded).done);
    raw = word(ThreadState::kQueued, kill).raw;
    CHECK_FALSE(state.dispatch().done);
    CHECK_FALSE(state.unplace(Cause::kRecalled).done);
    CHECK(state.request(cox::abi::kRequestSuspend).done);
    CHECK_FALSE(state.unplace(Cause::kRecalled).done);
    CHECK(state.exit(Cause::kKilled).done);
    raw = word(ThreadState::kRunning, recall).raw;
    CHECK(state.block().word.requests() == 0);  // it has left the CPU, which is all that was asked
    raw = word(ThreadState::kQueued, recall).raw;
    CHECK_FALSE(state.dispatch().done);
    CHECK(state.unplace(Cause::kRecalled).word.requests() == 0);
}

TEST_CASE("a suspended thread comes back to what it was, or to the wake that came meanwhile",
          "[thread_word]") {
    const auto kSuspend = cox::abi::kRequestSuspend;
    std::atomic<std::uint64_t> raw;
    ThreadStateWord state(raw);
    // Suspended by others while it waits; resumed; it waits again and is woken as if nothing had been.
    raw = word(ThreadState::kWaiting).raw;
    REQUIRE(state.suspend(state.load()).done);
    CHECK_FALSE(state.load().wake_pending());
    CHECK(state.resume(state.load(), false).word.state() == ThreadState::kWaiting);
    CHECK(state.wake().word.state() == ThreadState::kUnplaced);
    // Woken while it is suspended: runnable when it is resumed, with no wake left over.
    raw = word(ThreadState::kWaiting).raw;
    REQUIRE(state.suspend(state.load()).done);
    const ThreadWord before_wake = state.load();
    CHECK(state.wake().word.wake_pending());
    CHECK_FALSE(state.resume(before_wake, false).done);  // from old knowledge: the wake would be lost
    CHECK(state.resume(state.load(), false).word.state() == ThreadState::kUnplaced);
    CHECK_FALSE(state.load().wake_pending());
    // Unplaced, then suspended: it was runnable.
    REQUIRE(state.suspend(state.load()).done);
    const ThreadWord queued = state.resume(state.load(), true).word;
    CHECK((queued.state() == ThreadState::kQueued && queued.placed_by_kernel() && !queued.wake_pending()));
    // Running or queued, it is asked; its CPU moves it when it stops, whatever the reason.
    REQUIRE(state.dispatch().done);
    REQUIRE(state.request(kSuspend).done);
    CHECK_FALSE(state.requeue(Cause::kFallbackSlice).done);
    CHECK(state.unplace(Cause::kSliceEnd).word.state() == ThreadState::kSuspended);
    CHECK(state.resume(state.load(), true).word.state() == ThreadState::kQueued);
    REQUIRE(state.request(kSuspend).done);
    CHECK_FALSE(state.dispatch().done);
    CHECK(state.unplace(Cause::kAffinityChanged).word.cause() == Cause::kSuspended);
    CHECK(state.resume(state.load(), true).word.cause() == Cause::kResumed);
    // It blocks while it is asked: suspended, and waiting still. But a wake that is pending is consumed first.
    REQUIRE(state.dispatch().done);
    REQUIRE(state.wake().done);
    REQUIRE(state.request(kSuspend).done);
    CHECK(state.block().word.state() == ThreadState::kRunning);
    CHECK(state.block().word.state() == ThreadState::kSuspended);
    CHECK(state.resume(state.load(), true).word.state() == ThreadState::kWaiting);
    // Taken back before its CPU has looked.
    raw = word(ThreadState::kRunning).raw;
    REQUIRE(state.request(kSuspend).done);
    CHECK(state.clear_requests(kSuspend).word == word(ThreadState::kRunning));
}

TEST_CASE("a commit to the CPU where the thread was is like any, and not for one that was elsewhere",
          "[thread_word]") {
    const ThreadWord before =
        word(ThreadState::kUnplaced, ThreadStateWord::kWakeOwed | std::uint64_t{7} << 26);
    std::atomic<std::uint64_t> one{before.raw};
    std::atomic<std::uint64_t> other{before.raw};
    const auto to = [](std::uint32_t cpu) { return ThreadStateWord::queued_by_commit(cpu); };
    CHECK_FALSE(ThreadStateWord(one).place_again(before, kCpu + 1, to(kCpu + 1)).done);
    CHECK(one == before.raw);
    CHECK(ThreadStateWord(one).place_again(before, kCpu, to(kCpu)).word ==
          ThreadStateWord(other).place(before, kCpu).word);
    CHECK(ThreadWord{one}.cause() == before.cause());

    std::atomic<std::uint64_t> at_once{before.raw};
    const auto runs = ThreadStateWord::running_by_commit(kCpu);
    CHECK_FALSE(ThreadStateWord(at_once).place_and_dispatch(before, runs + 0x100).done);
    CHECK(ThreadStateWord(at_once).place_and_dispatch(before, runs).word ==
          ThreadStateWord(other).dispatch().word);
}

TEST_CASE("a wake is owed until somebody places the thread", "[thread_word]") {
    std::atomic<std::uint64_t> raw{word(ThreadState::kCreated).raw};
    ThreadStateWord state(raw);
    CHECK(state.start().word.wake_owed());
    CHECK((state.load().requests() == 0 && !state.load().wake_pending()));
    CHECK_FALSE(state.place(state.load(), kCpu).word.wake_owed());
    REQUIRE(state.dispatch().done);
    CHECK_FALSE(state.wake().word.wake_owed());  // it runs: there is nothing to place
    REQUIRE(state.unplace(Cause::kSliceEnd).done);
    CHECK_FALSE(state.load().wake_owed());
    CHECK_FALSE(state.wake().done);
    CHECK_FALSE(state.place_by_kernel(state.load(), kCpu, Cause::kNoServer).word.wake_owed());
    // From a wait: by the server, by the kernel, by a hint, by the kernel at once.
    raw = word(ThreadState::kWaiting).raw;
    CHECK((state.wake().word.wake_owed() && !state.wake().done));
    CHECK_FALSE(state.place_by_kernel(state.load(), kCpu, Cause::kNoServer).word.wake_owed());
    raw = word(ThreadState::kWaiting).raw;
    CHECK_FALSE(state.wake_hinted(kCpu).word.wake_owed());
    raw = word(ThreadState::kWaiting).raw;
    CHECK_FALSE(state.wake_to_queue().word.wake_owed());
    // Kept through a suspension, whether the wake came before it or during it; a second one changes nothing.
    raw = word(ThreadState::kWaiting).raw;
    REQUIRE(state.wake().done);
    CHECK(state.suspend(state.load()).word.wake_owed());
    CHECK(state.resume(state.load(), false).word.wake_owed());
    raw = word(ThreadState::kWaiting).raw;
    CHECK_FALSE(state.suspend(state.load()).word.wake_owed());
    const Transition first = state.wake();
    CHECK((first.done && first.word.wake_owed()));
    const Transition second = state.wake();
    CHECK((!second.done && second.word == first.word));
    CHECK_FALSE(state.resume(state.load(), true).word.wake_owed());
    // Suspended while it was runnable without one.
    REQUIRE(state.dispatch().done);
    REQUIRE(state.request(cox::abi::kRequestSuspend).done);
    REQUIRE(state.unplace(Cause::kSliceEnd).word.state() == ThreadState::kSuspended);
    CHECK_FALSE(state.wake().done);
    CHECK_FALSE(state.resume(state.load(), false).word.wake_owed());
    // With the thread it ends.
    raw = word(ThreadState::kWaiting).raw;
    REQUIRE(state.wake().done);
    CHECK_FALSE(state.kill(state.load()).word.wake_owed());
}

TEST_CASE("a commit or kill made from old knowledge changes nothing", "[thread_word]") {
    std::atomic<std::uint64_t> raw{word(ThreadState::kUnplaced).raw};
    ThreadStateWord state(raw);
    const ThreadWord old = state.load();
    REQUIRE(state.place(old, 1).done);
    REQUIRE(state.dispatch().done);
    REQUIRE(state.block().done);
    REQUIRE(state.wake().done);  // unplaced again: only the sequence number tells
    CHECK_FALSE(state.place(old, 1).done);
    CHECK_FALSE(state.kill(old).done);
    CHECK(state.load().state() == ThreadState::kUnplaced);
}

TEST_CASE("the word says why", "[thread_word]") {
    std::atomic<std::uint64_t> raw{word(ThreadState::kCreated).raw};
    ThreadStateWord state(raw);
    CHECK(state.start().word.cause() == Cause::kStarted);
    CHECK(state.place(state.load(), 1).word.cause() == Cause::kStarted);  // a commit is not a cause
    CHECK(state.dispatch().word.cause() == Cause::kStarted);
    CHECK(state.requeue(Cause::kFallbackSlice).word.cause() == Cause::kFallbackSlice);
    CHECK(state.dispatch().done);
    CHECK(state.unplace(Cause::kSliceEnd).word.cause() == Cause::kSliceEnd);
    CHECK(state.place_by_kernel(state.load(), 1, Cause::kWatchdog).word.cause() == Cause::kWatchdog);
    CHECK(state.dispatch().done);
    CHECK(state.wake().word.cause() == Cause::kWatchdog);  // it has not stopped
    CHECK(state.block().done);
    CHECK(state.block().word.cause() == Cause::kBlocked);
    CHECK(state.wake().word.cause() == Cause::kWoken);
    CHECK(state.kill(state.load()).word.cause() == Cause::kKilled);
    CHECK(state.load().sequence() > kSequence);  // none of it has touched its neighbours
    CHECK(state.load().requests() == 0);
}

TEST_CASE("the sequence goes on when the line is reused", "[thread_word]") {
    std::atomic<std::uint64_t> raw{word(ThreadState::kGone).raw};
    ThreadStateWord state(raw);
    state.free();
    CHECK(state.load().sequence() == kSequence);
    state.create(2);
    CHECK(state.load().sequence() == kSequence + 1);
    CHECK(state.load().cpu() == 2);
}

TEST_CASE("of many that place, kill or wake one thread at once, exactly one wins", "[thread_word][stress]") {
    static std::atomic<std::uint64_t> raw;
    ThreadStateWord state(raw);
    for (int round = 0; round < 2000; ++round) {
        raw = word(ThreadState::kUnplaced).raw;
        const ThreadWord seen = state.load();
        std::atomic<int> winners{0};
        {
            std::vector<std::jthread> threads;
            for (int i = 0; i < 3; ++i) {
                threads.emplace_back([&, i] {
                    ThreadStateWord mine(raw);
                    winners +=
                        i == 0 ? mine.kill(seen).done : mine.place(seen, static_cast<std::uint32_t>(i)).done;
                });
            }
        }
        REQUIRE(winners == 1);
    }
}
