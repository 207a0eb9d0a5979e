// SPDX-License-Identifier: MIT
//
// What the tests start as another process: it does one thing, named by its argument `mode`, with `value`, and
// ends with 7 if it has lived through it. `bell` is a notification that some modes use, if it was given.
#include "cap/endpoint.hpp"
#include "cap/env.hpp"
#include "cap/sched_domain.hpp"
#include "cap/threads.hpp"
#include "core/command_line.hpp"
#include "support/faults.hpp"
#include "support/patience.hpp"
#include "support/rtc.hpp"

#include <algorithm>
#include <iterator>

namespace test {

namespace {

namespace abi = cox::abi;

constexpr std::uint64_t kDone = 7;

[[noreturn]] void spin() {
    for (;;) asm volatile("pause");
}

std::uint64_t spin_for_ever(cap::Ring&, void*) { spin(); }

std::uint64_t wait_for_ever(cap::Ring& ring, void*) {
    (void)ring.submit_and_wait(1);
    return kDone;
}

struct Successor {
    const cap::Env& env;
    std::uint64_t code;
};

// Ends after the main thread.
std::uint64_t end_last(cap::Ring&, void* argument) {
    const auto& successor = *static_cast<const Successor*>(argument);
    for (;;) {
        const auto status = successor.env.thread.status();
        if (!status || status->word.state() == abi::ThreadState::kGone) {
            return successor.code;
        }
        sleep_ns(kMillisecond);
    }
}

cap::Thread start_sibling(const cap::Env& env, cap::ThreadFunction function, void* argument,
                          std::uint64_t cpu) {
    const auto thread = cap::create_sibling(env, function, argument, {.affinity = std::uint64_t{1} << cpu});
    if (!thread || !thread->start()) {
        env.exit(1);
    }
    return *thread;
}

// A spinning, a waiting and two suspended threads on each CPU, one of these while it waits, and one that joins; then the
// main thread ends all with `code`, or spins.
std::uint64_t crowd(const cap::Env& env, std::uint64_t code) {
    for (std::uint64_t cpu = 0; cpu < env.info.cpu_count; ++cpu) {
        (void)start_sibling(env, spin_for_ever, nullptr, cpu);
        (void)start_sibling(env, wait_for_ever, nullptr, cpu);
        const cap::Thread spinning = start_sibling(env, spin_for_ever, nullptr, cpu);
        static cap::Thread waiting;
        waiting = start_sibling(env, wait_for_ever, nullptr, cpu);
        const auto join = [](cap::Ring& ring, void*) { return waiting.join(ring).value_or(0); };
        (void)start_sibling(env, join, nullptr, cpu);
        if (!spinning.suspend() || !waiting.suspend()) {
            env.exit(1);
        }
    }
    const auto bell = env.find<cap::Notification>("bell");
    (void)bell->signal(1);
    if (code != 0) {
        env.exit(code);
    }
    spin();
}

// Answers each signal of "ask" with one of "answer".
std::uint64_t echo(const cap::Env& env, std::uint64_t) {
    const auto ask = env.find<cap::Notification>("ask");
    const auto answer = env.find<cap::Notification>("answer");
    for (;;) {
        const auto bits = ask->wait(env.ring);
        if (!bits || !answer->signal(*bits)) {
            return 1;
        }
    }
}

// The driver of the real-time clock: serves so many interrupts, then rings.
std::uint64_t serve_clock(const cap::Env& env, std::uint64_t count) {
    const auto irq = env.find<cap::Irq>("irq");
    const auto bell = env.process.create_notification();
    const Rtc rtc(*irq);
    if (!bell || !irq->bind(*bell, 1) || !rtc.start(Rtc::kFast)) {
        return 1;
    }
    for (; count > 0; --count) {
        if (!bell->wait(env.ring) || !rtc.take() || !irq->acknowledge()) {
            return 2;
        }
    }
    return env.find<cap::Notification>("bell")->signal(1) ? kDone : 3;
}

// All the memory that it can have, what it may write of its own, and, last of all, "shared": full of `value`.
std::uint64_t fill(const cap::Env& env, std::uint64_t value) {
    constexpr std::uint64_t kPages = abi::kMaxPagesPerCall, kWords = abi::kPageSize / 8;
    for (int i = 0; i < 16; ++i) {
        const auto memory =
            i % 2 ? env.process.create_memory(kPages) : env.process.create_memory_on_demand(kPages);
        const auto address = env.space.reserve(kPages);
        if (!memory || !address || !env.process.map(*memory, *address, 0, kPages, abi::kRead | abi::kWrite)) {
            return 1;
        }
        std::fill_n(reinterpret_cast<volatile std::uint64_t*>(*address), kPages * kWords, value);
    }
    volatile std::uint64_t stack[1024];
    std::fill_n(stack, std::size(stack), value);
    std::fill_n(reinterpret_cast<volatile std::uint64_t*>(env.info.ring_address) + kWords, 2 * kWords, value);
    const auto shared = env.find<cap::Memory>("shared");
    const auto address = env.space.reserve(4);
    if (!shared || !env.process.map(*shared, *address, 0, 4, abi::kRead | abi::kWrite)) {
        return 1;
    }
    std::fill_n(reinterpret_cast<volatile std::uint64_t*>(*address), 4 * kWords, value);
    return kDone;
}

// Answers each call with the sum of two words, until that is 0: then it ends without an answer.
std::uint64_t serve(const cap::Env& env, std::uint64_t) {
    const auto service = env.find<cap::Endpoint>("service");
    cap::Message m;
    bool good = static_cast<bool>(service->receive(m));
    while (good && m.words[0] + m.words[1] != 0) {
        m = cap::answer(m, m.words[0] + m.words[1]);
        good = static_cast<bool>(service->reply_and_receive(m));
    }
    return good ? kDone : 1;
}

struct Mode {
    std::string_view name;
    std::uint64_t (*run)(const cap::Env& env, std::uint64_t value);
};

constexpr Mode kModes[] = {
    {"exit", [](const cap::Env&, std::uint64_t value) { return value; }},
    // Not through the return value of cap_main, which is an int.
    {"exit_raw", [](const cap::Env&, std::uint64_t value) -> std::uint64_t { cap::thread_exit(value); }},
    {"exit_all", [](const cap::Env& env, std::uint64_t value) -> std::uint64_t { env.exit(value); }},
    {"spin", [](const cap::Env&, std::uint64_t) -> std::uint64_t { spin(); }},
    {"wait", [](const cap::Env& env, std::uint64_t) { return wait_for_ever(env.ring, nullptr); }},
    {"wait_bell",
     [](const cap::Env& env, std::uint64_t) {
         return env.find<cap::Notification>("bell")->wait(env.ring).value_or(0);
     }},
    {"ring_bell",
     [](const cap::Env& env, std::uint64_t value) -> std::uint64_t {
         return env.find<cap::Notification>("bell")->signal(value) ? kDone : 1;
     }},
    {"wait_exit",
     [](const cap::Env& env, std::uint64_t) {
         return env.find<cap::Process>("watched")->wait_exit(env.ring).value_or(1);
     }},
    {"echo", echo},
    {"rtc", serve_clock},
    {"fill", fill},
    {"fill_and_spin",
     [](const cap::Env& env, std::uint64_t value) -> std::uint64_t {
         (void)fill(env, value);
         spin();
     }},
    {"serve", serve},
    {"crowd", crowd},
    // The main thread ends with 1, then its sibling with `value`.
    {"sibling_last",
     [](const cap::Env& env, std::uint64_t value) -> std::uint64_t {
         Successor successor{env, value};
         (void)start_sibling(env, end_last, &successor, 0);
         cap::thread_exit(1);
     }},
    {"read",
     [](const cap::Env&, std::uint64_t value) {
         (void)*reinterpret_cast<volatile std::uint8_t*>(value);
         return kDone;
     }},
    {"write",
     [](const cap::Env&, std::uint64_t value) {
         *reinterpret_cast<volatile std::uint8_t*>(value) = 1;
         return kDone;
     }},
    {"call",
     [](const cap::Env&, std::uint64_t value) {
         reinterpret_cast<void (*)()>(value)();
         return kDone;
     }},
    // How many capabilities it could derive, until its quota said no; 0: something else did.
    {"fill_table",
     [](const cap::Env& env, std::uint64_t) -> std::uint64_t {
         for (std::uint64_t count = 0;; ++count) {
             if (const auto slot = env.log.derive(0); !slot) {
                 return slot.error() == abi::Error::kQuota ? count : 0;
             }
         }
     }},
    // The error, negated, with which it is refused a poller.
    {"poll",
     [](const cap::Env& env, std::uint64_t) -> std::uint64_t {
         const auto poller = env.thread.poll(env.ring);
         return poller ? 0 : static_cast<std::uint64_t>(-static_cast<std::int64_t>(poller.error()));
     }},
    // The error, negated, with which it is refused a child of its domain.
    {"create_domain",
     [](const cap::Env& env, std::uint64_t) -> std::uint64_t {
         const auto domain = env.find<cap::SchedDomain>("domain");
         const auto made = domain ? domain->create_child() : cap::fail(abi::Error::kBadSlot);
         return made ? kDone : static_cast<std::uint64_t>(-static_cast<std::int64_t>(made.error()));
     }},
    {"fault",
     [](const cap::Env&, std::uint64_t value) {
         commit_fault(value);
         return kDone;
     }},
};

}  // namespace

}  // namespace test

int cap_main(const cap::Env& env) {
    const cox::core::CommandLine options(env.arguments());
    const auto name = options.find("mode").value_or("");
    const auto value = cox::core::parse_u64(options.find("value").value_or("0")).value_or(0);
    for (const test::Mode& mode : test::kModes) {
        if (mode.name == name) {
            return static_cast<int>(mode.run(env, value));
        }
    }
    env.log.print("child: no mode {}", name);
    return 2;
}
