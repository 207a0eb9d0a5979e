// SPDX-License-Identifier: MIT
//
// The smallest scheduler server there can be, for one CPU: it places each thread once, and hints that from then on the kernel
// shall wake and rotate it there without asking.
#pragma once

#include "cap/env.hpp"
#include "cap/event_ring.hpp"
#include "cap/sched_domain.hpp"
#include "cap/threads.hpp"

#include <cstdint>

namespace bench {

namespace abi = cox::abi;

struct HintServer {
    cap::SchedDomain domain;
    const abi::StatusLine* lines = nullptr;
    abi::HintLine* hints = nullptr;
    std::uint64_t events = 0;

    cap::Result<void> place(std::uint32_t index) const {
        if (index >= abi::kMaxThreads) {
            return {};
        }
        const abi::ThreadWord word{lines[index].word.load()};
        if (word.state() != abi::ThreadState::kUnplaced) {
            return {};
        }
        const auto ref = abi::ThreadRef::from_raw(lines[index].ref.load());
        hints[index].slice_ns = abi::kNoSlice;
        hints[index].word = abi::hint_word(ref.generation, 0, abi::kHintWake | abi::kHintRotate);
        return domain.commit(ref, word.sequence(), 0, 0, abi::kNoSlice);
    }

    // The agent. It returns only when it cannot go on; then the kernel falls back.
    cap::Result<void> serve(cap::Ring& ring) const {
        auto& header = *reinterpret_cast<abi::EventRingHeader*>(events);
        cap::EventConsumer consumer(header.head, {events});
        for (;;) {
            while (const auto index = consumer.take()) {
                TRY(place(*index));
            }
            TRY(ring.prepare(cap::submission(abi::Op::kWaitEvents, domain.slot())));
            TRY(ring.submit_and_wait(1));
            (void)ring.next();
        }
    }
};

// `server` stays.
inline cap::Result<void> attach(const cap::Env& env, HintServer& server) {
    const std::uint64_t lines = TRY(env.space.reserve(abi::kStatusTablePages));
    const std::uint64_t hints = TRY(env.space.reserve(abi::kHintPages));
    server.events = TRY(env.space.reserve(abi::kEventRingPages));
    server.lines = reinterpret_cast<const abi::StatusLine*>(lines);
    server.hints = reinterpret_cast<abi::HintLine*>(hints);
    TRY(server.domain.attach(lines, hints));
    const auto agent = TRY(cap::create_sibling(
        env,
        [](cap::Ring& ring, void* self) {
            return std::uint64_t{!static_cast<HintServer*>(self)->serve(ring)};
        },
        &server));
    TRY(server.domain.add_agent(agent, 0, server.events));
    return agent.start();
}

}  // namespace bench
