// SPDX-License-Identifier: MIT
//
// What processes take is given back when they have gone, however they went and however they hang together.
#include "suite.hpp"
#include "support/child.hpp"
#include "support/free_pages.hpp"
#include "support/owned.hpp"

namespace {

using namespace test;
using abi::Error;

// Runs `once` a few times so that the kernel's own pools have grown, then `times` times: that must cost nothing.
template <class Once>
void repeat(Case& t, int times, Once once) {
    for (int i = 0; i < 4 && !t.failed(); ++i) {
        once();
    }
    sleep_ns(10 * kMillisecond);
    const std::uint64_t before = free_pages(t.env);
    for (int i = 0; i < times && !t.failed(); ++i) {
        once();
    }
    if (t.failed()) {
        return;
    }
    std::uint64_t after = 0;
    // What another CPU has still loaded comes back a little later.
    for (int i = 0; i < 5 && after != before; ++i) {
        sleep_ns(10 * kMillisecond);
        after = free_pages(t.env);
    }
    REQUIRE_EQUAL(t, after, before);
}

void exited(Case& t) {
    repeat(t, 200, [&] {
        const auto child = MUST(t, Child::start(t.env, "mode=exit value=1"));
        REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), 1u);
    });
}

void killed_while_running(Case& t) {
    std::uint64_t number = 0;
    repeat(t, 50, [&] {
        const auto cpu = std::uint64_t{1} << number++ % t.cpus();
        const auto child = MUST(t, Child::create(t.env, "mode=spin", {.affinity = cpu}));
        REQUIRE_OK(t, child->thread.start());
        REQUIRE_OK(t, child->process.kill(1));
        REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), 1u);
    });
}

void never_started(Case& t) {
    repeat(t, 50, [&] { (void)MUST(t, Child::create(t.env, "mode=exit")); });
}

void faulted(Case& t) {
    repeat(t, 6, [&] {
        const auto child = MUST(t, Child::start(t.env, "mode=read value=0"));
        REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), kFaultExitCode);
    });
}

// Ends while its memory is mapped elsewhere too, and with capabilities to itself in its own table.
void shared_memory(Case& t) {
    const std::uint64_t address = MUST(t, t.env.space.reserve(64));
    repeat(t, 50, [&] {
        const Owned memory(MUST(t, t.env.process.create_memory(64)));
        const auto child = MUST(t, Child::create(t.env, "mode=exit value=1"));
        REQUIRE_OK(t, child->process.map(*memory, 0x4000'0000, 0, 64, abi::kRead | abi::kWrite));
        REQUIRE_OK(t, t.env.process.map(*memory, address, 0, 64, abi::kRead));
        REQUIRE_EQUAL(t, MUST(t, child.run(t.env)), 1u);
        REQUIRE_OK(t, t.env.process.unmap(address, 64));
    });
}

// Each holds the only capability to the next, so that they all go at once.
void long_chain(Case& t) {
    repeat(t, 1, [&] {
        Owned head(MUST(t, t.env.process.create_process("chain")));
        for (int i = 0; i < 2000; ++i) {
            Owned next(MUST(t, t.env.process.create_process("chain")));
            REQUIRE_OK(t, next->give(head->slot(), abi::kAllRights));
            head = std::move(next);
        }
    });
}

// All that there is, and then something that takes many pieces: it is refused, and what it had got is given back.
void exhaustion(Case& t) {
    repeat(t, 2, [&] {
        std::array<Owned<cap::Memory>, 128> held;
        std::size_t count = 0;
        for (std::uint64_t pages = abi::kMaxPagesPerObject; pages != 0 && count < held.size();) {
            if (auto memory = t.env.process.create_memory(pages)) {
                held[count++] = Owned(*memory);
            } else {
                REQUIRE_EQUAL(t, memory.error(), Error::kNoMemory);
                pages /= 2;
            }
        }
        REQUIRE_ERROR(t, t.env.process.create_memory(abi::kMaxPagesPerObject), Error::kNoMemory);
        constexpr std::uint64_t kFar = 0x5000'0000'0000;  // needs page tables
        REQUIRE_ERROR(t, t.env.process.map(*held[0], kFar, 0, 1, abi::kRead), Error::kNoMemory);
        abi::ThreadParams params{};
        params.ring_address = kFar;
        REQUIRE_ERROR(t, t.env.process.create_thread(params), Error::kNoMemory);
        // Room for some of a process, then for more and more of it, until it can be.
        int refused = 0;
        for (;;) {
            const auto child = Child::create(t.env, "mode=exit");
            if (child) {
                break;
            }
            REQUIRE_EQUAL(t, child.error(), Error::kNoMemory);
            REQUIRE(t, count != 0);
            held[--count] = {};
            ++refused;
        }
        REQUIRE(t, refused != 0);
    });
}

constexpr Entry kCases[] = {
    {"exited", exited},
    {"killed_while_running", killed_while_running},
    {"never_started", never_started},
    {"faulted", faulted},
    {"shared_memory", shared_memory},
    {"long_chain", long_chain},
    {"exhaustion", exhaustion},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "process_memory", kCases); }
