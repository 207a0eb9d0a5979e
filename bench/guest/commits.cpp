// SPDX-License-Identifier: MIT
//
// A batch of 32 commits, as a server's agent hands it over: one cap_enter with 32 quiet submissions, each of which places another thread
// on the agent's own CPU. The threads never run: the agent recalls them before it waits again, which is not counted. The main thread wakes
// it for each batch.
#include "bench.hpp"

#include "cap/event_ring.hpp"
#include "cap/sched_domain.hpp"
#include "cap/threads.hpp"

#include <array>
#include <atomic>

namespace {

namespace abi = cox::abi;

constexpr std::uint32_t kBatch = 32;
constexpr std::uint64_t kCode = 0x40'0000;
constexpr std::uint64_t kRings = 0x100'0000;

struct Bench {
    cap::SchedDomain domain;
    const abi::StatusLine* lines = nullptr;
    std::uint64_t events = 0;
    std::array<abi::ThreadRef, kBatch> threads{};
    std::atomic<bool> due{false};  // a batch: set by the main thread, cleared by the agent when it is done
    std::uint64_t ticks = 0;
};

Bench state;

cap::Result<void> submit(cap::Ring& ring, std::uint32_t flags) {
    const abi::StatusLine* const lines = state.lines;
    const abi::CapSlot slot = state.domain.slot();
    TRY(ring.prepare_row(kBatch, [&](std::uint32_t i) {
        const abi::ThreadRef ref = state.threads[i];
        const abi::ThreadWord word{lines[ref.index].word.load(std::memory_order_relaxed)};
        auto entry = cap::submission(abi::Op::kCommit, slot, 0, ref.raw(),
                                     abi::commit_word(word.sequence(), 0, flags), abi::kNoSlice);
        entry.flags = abi::kQuietSuccess;
        return entry;
    }));
    TRY(ring.submit_and_wait(0, 0));
    return ring.next() ? cap::fail(abi::Error::kWrongState) : cap::Result<void>();
}

cap::Result<void> batch(cap::Ring& ring) {
    const std::uint64_t begin = cap::read_tsc();
    TRY(submit(ring, 0));
    state.ticks += cap::read_tsc() - begin;
    return submit(ring, abi::kCommitRecall);
}

// It returns only when it cannot go on; then the batch is never done.
std::uint64_t run_agent(cap::Ring& ring, void* /*argument*/) {
    auto& header = *reinterpret_cast<abi::EventRingHeader*>(state.events);
    cap::EventConsumer consumer(header.head, {state.events});
    do {
        if (state.due.load(std::memory_order_relaxed)) {
            if (!batch(ring)) {
                return 1;
            }
            state.due.store(false, std::memory_order_relaxed);
        }
        while (consumer.take()) {
        }
    } while (state.domain.commit_and_wait({}, 0, 0, abi::kForever));
    return 1;
}

cap::Result<void> attach(const cap::Env& env) {
    state.domain = env.find<cap::SchedDomain>("domain").value_or(cap::SchedDomain());
    const std::uint64_t lines = TRY(env.space.reserve(abi::kStatusTablePages));
    state.events = TRY(env.space.reserve(abi::kEventRingPages));
    state.lines = reinterpret_cast<const abi::StatusLine*>(lines);
    TRY(state.domain.attach(lines));
    const auto agent = TRY(cap::create_sibling(env, run_agent, nullptr));
    TRY(state.domain.add_agent(agent, 0, state.events));
    return agent.start();
}

// Threads of a process of the domain that would jump on the spot, if they ever ran.
cap::Result<void> make_threads(const cap::Env& env) {
    const auto process = TRY(env.process.create_process("placed", state.domain.slot()));
    const auto code = TRY(env.process.create_memory(1));
    const std::uint64_t here = TRY(env.space.reserve(1));
    TRY(env.process.map(code, here, 0, 1, abi::kRead | abi::kWrite));
    *reinterpret_cast<volatile std::uint16_t*>(here) = 0xfeeb;
    TRY(process.map(code, kCode, 0, 1, abi::kRead | abi::kExecute));
    for (std::uint32_t i = 0; i < kBatch; ++i) {
        abi::ThreadParams params{};
        params.entry = kCode;
        params.ring_address = kRings + std::uint64_t{i} * abi::kRingPages * abi::kPageSize;
        params.affinity = 1;
        const auto thread = TRY(process.create_thread(params));
        state.threads[i] = TRY(thread.ref());
        TRY(thread.start());
    }
    return {};
}

// A commit that is refused posts the thread's event again: that wakes the agent, which goes first.
cap::Result<void> commits(const cap::Env& /*env*/, std::uint64_t count) {
    state.ticks = 0;
    const abi::ThreadRef first = state.threads[0];
    for (std::uint64_t done = 0; done < count; done += kBatch) {
        state.due.store(true, std::memory_order_relaxed);
        const abi::ThreadWord word{state.lines[first.index].word.load(std::memory_order_relaxed)};
        if (state.domain.commit(first, word.sequence() - 1, 0, 0, abi::kNoSlice) ||
            state.due.load(std::memory_order_relaxed)) {
            return cap::fail(abi::Error::kWrongState);
        }
    }
    return {};
}

constexpr bench::Operation kOperations[] = {{"commit_of_32", 32'000, commits, &state.ticks}};

}  // namespace

int cap_main(const cap::Env& env) {
    auto ready = attach(env);
    if (ready) {
        ready = make_threads(env);
    }
    if (!ready) {
        env.log.print("error: commits: {}", ready.error());
        return 1;
    }
    return bench::run(env, kOperations);
}
