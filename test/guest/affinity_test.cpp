// SPDX-License-Identifier: MIT
//
// A thread runs where its affinity allows, whenever that changes: docs/abi.md, "Thread".
#include "suite.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <atomic>

namespace {

using namespace test;
using abi::Error;
using abi::ThreadState;

std::uint64_t end_at_once(cap::Ring&, void*) { return 0; }

std::uint64_t wait_for_ever(cap::Ring& ring, void*) {
    (void)ring.submit_and_wait(1);
    return 0;
}

std::uint64_t spin(cap::Ring&, void* argument) {
    for (auto& beats = *static_cast<std::atomic<std::uint64_t>*>(argument);;) {
        beats.fetch_add(1, std::memory_order_relaxed);
    }
}

void arguments(Case& t) {
    const auto thread = MUST(t, Sibling::create(t.env, end_at_once, nullptr));
    REQUIRE_ERROR(t, thread->set_affinity(0), Error::kBadArgument);
    if (t.cpus() < 64) {
        REQUIRE_ERROR(t, thread->set_affinity(~0ull << t.cpus()), Error::kBadArgument);
    }
    REQUIRE_OK(t, thread->set_affinity(~0ull));
    REQUIRE_EQUAL(t, MUST(t, thread->status()).affinity, (2ull << (t.cpus() - 1)) - 1);
}

// Running, it leaves its CPU when its affinity says so, and goes on where it may.
void while_running(Case& t) {
    std::atomic<std::uint64_t> beats{0};
    const auto thread = MUST(t, Sibling::start(t.env, spin, &beats, {.affinity = only(0)}));
    for (std::uint32_t i = 0; i < 40; ++i) {
        const std::uint32_t cpu = i % t.cpus();
        REQUIRE_OK(t, thread->set_affinity(only(cpu)));
        REQUIRE(t, eventually(t.env.clock, [&] { return thread.word().cpu() == cpu; }));
        const std::uint64_t before = beats;
        REQUIRE(t, eventually(t.env.clock, [&] { return beats.load() != before; }));
        REQUIRE_EQUAL(t, thread.word().cpu(), cpu);
    }
}

// Queued behind this thread and another one, it moves without having run.
void while_queued(Case& t) {
    std::atomic<std::uint64_t> other_beats{0};
    std::atomic<std::uint64_t> beats{0};
    REQUIRE_OK(t, t.env.thread.set_affinity(only(0)));
    const auto other = MUST(t, Sibling::start(t.env, spin, &other_beats, {.affinity = only(0)}));
    for (std::uint32_t i = 0; i < 10; ++i) {
        const std::uint32_t cpu = i % t.cpus();
        const auto thread = MUST(t, Sibling::start(t.env, spin, &beats, {.affinity = only(0)}));
        REQUIRE_OK(t, thread->set_affinity(only(cpu)));
        const std::uint64_t before = beats;
        REQUIRE(t, eventually(t.env.clock, [&] { return beats.load() != before; }));
        REQUIRE_EQUAL(t, thread.word().cpu(), cpu);
    }
    REQUIRE_OK(t, t.env.thread.set_affinity(~0ull));
}

// Waiting, it wakes where it may run by then.
void while_waiting(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const auto wait_for_bells = [](cap::Ring& ring, void* argument) -> std::uint64_t {
        while (static_cast<const cap::Notification*>(argument)->wait(ring)) {
        }
        return 0;
    };
    auto notification = *bell;
    const auto thread = MUST(t, Sibling::start(t.env, wait_for_bells, &notification, {.affinity = only(0)}));
    for (std::uint32_t i = 0; i < 20; ++i) {
        REQUIRE(t, thread.reaches(ThreadState::kWaiting));
        const std::uint32_t cpu = i % t.cpus();
        REQUIRE_OK(t, thread->set_affinity(only(cpu)));
        const std::uint64_t wakes = MUST(t, thread->status()).wakes;
        REQUIRE_OK(t, bell->signal(1));
        REQUIRE(t, eventually(t.env.clock, [&] {
                    const auto status = thread->status();
                    return status && status->wakes > wakes && status->word.state() == ThreadState::kWaiting;
                }));
        REQUIRE_EQUAL(t, thread.word().cpu(), cpu);
    }
}

// Created and not started, it starts where it may run by then.
void while_created(Case& t) {
    const std::uint32_t last = t.cpus() - 1;
    const auto thread = MUST(t, Sibling::create(t.env, wait_for_ever, nullptr, {.affinity = only(0)}));
    REQUIRE_OK(t, thread->set_affinity(only(last)));
    REQUIRE_OK(t, thread->start());
    REQUIRE(t, thread.reaches(ThreadState::kWaiting));
    REQUIRE_EQUAL(t, thread.word().cpu(), last);
}

constexpr Entry kCases[] = {
    {"arguments", arguments},         {"while_running", while_running}, {"while_queued", while_queued},
    {"while_waiting", while_waiting}, {"while_created", while_created},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "affinity", kCases); }
