// SPDX-License-Identifier: MIT
//
// A bomb of threads and one of processes beside a victim, a client and its service in another process: the bomb runs into its
// quota, and stays there; the victim does all its work, with the right result, and can make what it needs.
#include "bomb.hpp"
#include "cap/spawn.hpp"
#include "core/cpio.hpp"
#include "suite.hpp"
#include "support/child.hpp"
#include "support/owned.hpp"

namespace {

using namespace test;
using abi::Error;
using cap::Notification;

constexpr std::uint64_t kRounds = 4;

struct Bomb {
    Owned<cap::Quota> quota;
    Owned<Notification> bell;
    cap::Spawned spawned;

    static cap::Result<Bomb> start(const cap::Env& env, std::string_view arguments,
                                   std::uint64_t memory_bytes, std::uint64_t threads) {
        const auto archive = cox::core::CpioArchive::open(env.archive());
        const auto image = archive ? archive->find("test/bomb") : std::nullopt;
        const auto memory = env.find_slot("archive");
        if (!image || !memory) {
            return cox::core::fail(Error::kBadArgument);
        }
        Bomb bomb;
        // `quota=double`: it gets more than its victim thinks, and that must be noticed.
        const std::uint64_t times = cox::core::CommandLine(env.arguments()).find("quota") == "double" ? 2 : 1;
        bomb.quota = Owned(TRY(env.process.create_quota(times * memory_bytes, times * threads)));
        bomb.bell = Owned(TRY(env.process.create_notification()));
        const cap::GivenCap caps[] = {{"bell", bomb.bell->slot(), abi::kWrite | abi::kGrant},
                                      {"archive", *memory, abi::kRead | abi::kGrant}};
        bomb.spawned = TRY(cap::spawn(env, {.name = "bomb",
                                            .image = *image,
                                            .arguments = arguments,
                                            .caps = caps,
                                            .quota = bomb.quota->slot()}));
        TRY(bomb.spawned.thread.start());
        return bomb;
    }
};

// The client's part of the work: what it asks, the service answers; and it makes, uses and drops things meanwhile.
void be_served(Case& t, Notification ask, Notification answer, std::uint64_t& heard) {
    for (std::uint64_t round = 0; round < kRounds; ++round) {
        REQUIRE_OK(t, ask.signal(1ull << round));
        heard |= MUST(t, answer.wait(t.env.ring, 10 * patience_ns));
        const Owned memory(MUST(t, t.env.process.create_memory(40)));
        const Owned process(MUST(t, t.env.process.create_process("short-lived")));
        REQUIRE_OK(t, process->map(*memory, 0x40'0000, 0, 40, abi::kRead));
        abi::ThreadParams params{};
        params.ring_address = 0x20'0000;
        const Owned thread(MUST(t, process->create_thread(params)));
        REQUIRE_OK(t, process->kill(0));
    }
}

void beside_a_victim(Case& t, Bomb& bomb, std::string_view arguments, std::uint64_t memory,
                     std::uint64_t threads) {
    const Owned ask(MUST(t, t.env.process.create_notification()));
    const Owned answer(MUST(t, t.env.process.create_notification()));
    const cap::GivenCap caps[] = {{"ask", ask->slot(), abi::kRead}, {"answer", answer->slot(), abi::kWrite}};
    const auto service = MUST(t, Child::create(t.env, "mode=echo", {.caps = caps}));
    REQUIRE_OK(t, service->thread.start());
    bomb = MUST(t, Bomb::start(t.env, arguments, memory, threads));
    std::uint64_t said = 0;
    while (!(said & kBombRefused)) {
        said |= MUST(t, bomb.bell->wait(t.env.ring, 10 * patience_ns));
    }
    REQUIRE(t, said & kBombGrown);
    std::uint64_t heard = 0;
    be_served(t, *ask, *answer, heard);
    REQUIRE(t, !t.failed());
    REQUIRE_EQUAL(t, heard, (1ull << kRounds) - 1);
    // It is at it still, and nothing but its quota stops it.
    (void)bomb.bell->poll();
    said |= MUST(t, bomb.bell->wait(t.env.ring, 10 * patience_ns));
    REQUIRE_EQUAL(t, said & kBombBroken, 0u);
    const auto status = MUST(t, bomb.quota->status());
    t.env.log.print("bomb: {} threads={} memory={}", arguments, status.threads_used, status.memory_used);
    bomb.spawned.discard(0);
    REQUIRE(t, status.threads_used <= threads && status.memory_used <= memory);
}

// All of its threads are killed with it, and its quota is whole again.
void threads(Case& t) {
    Bomb bomb;
    beside_a_victim(t, bomb, "mode=threads", 16 << 20, 12);
    REQUIRE(t, !t.failed());
    REQUIRE(t, eventually(t.env.clock, [&] {
                const auto now = bomb.quota->status();
                return now && now->threads_used == 0 && now->memory_used == 0;
            }));
}

// The last case: what it has started stays, for nobody else has a capability to it.
void processes(Case& t) {
    Bomb bomb;
    beside_a_victim(t, bomb, "mode=processes", 3 << 20, 200);
}

constexpr Entry kCases[] = {{"threads", threads}, {"processes", processes}};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "bombs", kCases); }
