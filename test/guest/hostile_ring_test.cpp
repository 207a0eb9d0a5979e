// SPDX-License-Identifier: MIT
//
// Memory that changes while the kernel reads it: rings whose indices, entries and pages others scribble on while their
// owner enters the kernel, and parameters that flicker. docs/abi.md, "Rings" and "Threads". All of it harms the owner
// alone: another thread's ring, a ping-pong through it, works on beside.
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/random.hpp"
#include "support/sibling.hpp"

#include <atomic>

namespace {

using namespace test;
using abi::Error;
using abi::Op;

constexpr std::uint64_t kPage = abi::kPageSize;
constexpr std::uint64_t kEnters = 3000;

struct Scene {
    const cap::Env& env;
    std::uint64_t seed;
    std::uint64_t ring;  // address of the abused one
    cap::Notification bell;
    std::uint64_t wanted;  // submissions consumed, and calls refused, before it is enough
    std::atomic<std::uint64_t> enters{0};
    std::atomic<std::uint64_t> consumed{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> too_many{0};  // never
    std::atomic<bool> stop{false};
};

// Enters again and again, whatever its ring says.
std::uint64_t enter(cap::Ring&, void* argument) {
    auto& scene = *static_cast<Scene*>(argument);
    Random random(scene.seed);
    const auto enough = [&](std::uint64_t enters) {
        return enters >= kEnters && scene.consumed >= scene.wanted && scene.refused >= scene.wanted;
    };
    const std::uint64_t end = scene.env.clock.now_ns() + patience_ns;
    for (std::uint64_t i = 0; !enough(i) && scene.env.clock.now_ns() < end; ++i) {
        const auto entered = cap::cap_enter(random.below(3), random.one_in(4) ? 20 * kMicrosecond : 0);
        scene.consumed += entered.submitted;
        scene.refused += error_of(entered.ready) == Error::kBadArgument ? 1 : 0;
        scene.too_many +=
            entered.submitted > abi::kSqEntries || entered.ready > std::int64_t{abi::kCqEntries};
        ++scene.enters;
    }
    scene.stop = true;
    return 0;
}

// Scribbles over indices and entries. Slots that exist are among them, so that operations are done, not only refused.
std::uint64_t scribble(cap::Ring&, void* argument) {
    auto& scene = *static_cast<Scene*>(argument);
    Random random(scene.seed + 1);
    auto& header = *reinterpret_cast<abi::RingHeader*>(scene.ring);
    auto* const submissions = reinterpret_cast<abi::Submission*>(scene.ring + kPage);
    auto* const words = reinterpret_cast<std::uint64_t*>(scene.ring + kPage);
    constexpr Op kHarmless[] = {Op::kNop, Op::kIdentify, Op::kSignal, Op::kWaitBits, Op::kPollBits};
    while (!scene.stop) {
        const std::uint32_t head = header.sq_head.load();
        switch (random.below(8)) {
            case 0: header.sq_tail.store(static_cast<std::uint32_t>(random.next())); break;
            case 1: header.cq_head.store(static_cast<std::uint32_t>(random.next())); break;
            case 2:
                if (random.one_in(50)) {
                    header.sq_head.store(static_cast<std::uint32_t>(random.next()));
                }
                break;
            case 3: header.cq_head.store(header.cq_tail.load()); break;
            case 4: header.sq_tail.store(head + static_cast<std::uint32_t>(random.below(70))); break;
            case 5:
                // Not a slot of anything that an operation could harm.
                words[random.below(2 * kPage / 8)] = random.next() | 0x8000'0000;
                break;
            default:
                submissions[random.below(abi::kSqEntries)] =
                    cap::submission(kHarmless[random.below(std::size(kHarmless))], scene.bell.slot(),
                                    random.next(), random.next());
        }
        if (random.one_in(30)) {
            sleep_ns(5 * kMicrosecond);  // where there is one CPU the other thread has its turn then
        }
    }
    return 0;
}

// Takes the pages away and puts others there; and back.
std::uint64_t remap(cap::Ring&, void* argument) {
    auto& scene = *static_cast<Scene*>(argument);
    Random random(scene.seed + 2);
    const auto memory = scene.env.process.create_memory(abi::kRingPages);
    if (!memory) {
        return 1;
    }
    while (!scene.stop) {
        (void)scene.env.process.protect(scene.ring, abi::kRingPages, abi::kRead);
        (void)scene.env.process.protect(scene.ring, abi::kRingPages, abi::kRead | abi::kWrite);
        (void)scene.env.process.unmap(scene.ring + random.below(3) * kPage, 1);
        (void)scene.env.process.map(*memory, scene.ring, 0, abi::kRingPages, abi::kRead | abi::kWrite);
        (void)scene.env.process.unmap(scene.ring, abi::kRingPages);
        (void)scene.env.process.map(*memory, scene.ring, 0, abi::kRingPages, abi::kRead | abi::kWrite);
        sleep_ns(50 * kMicrosecond);
    }
    memory->drop();
    return 0;
}

// libcap places the ring at the start of what it reserves for a sibling.
cap::Result<std::uint64_t> next_ring_address(const cap::Env& env) {
    const std::uint64_t before = TRY(env.space.reserve(1));
    return before + 2 * kPage;
}

// The main thread's ring beside all that: operations that complete at once, and later.
bool own_ring_works(Case& t, cap::Notification bell) {
    const auto bits = bell.signal(4) ? bell.wait(t.env.ring, patience_ns) : 0;
    return bits.value_or(0) == 4 && by_ring(t.env, {Op::kNop, t.env.process.slot()}) == Error::kOk;
}

void abuse(Case& t, cap::ThreadFunction vandal, std::uint64_t wanted) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const Owned mine(MUST(t, t.env.process.create_notification()));
    Scene scene{t.env, t.seed, MUST(t, next_ring_address(t.env)), *bell, wanted};
    const auto enterer = MUST(t, Sibling::start(t.env, enter, &scene, {.affinity = only(0)}));
    const auto second = MUST(t, Sibling::start(t.env, vandal, &scene, {.affinity = only(t.cpus() - 1)}));
    while (!scene.stop) {
        REQUIRE(t, own_ring_works(t, *mine));
        const std::uint64_t before = scene.enters;
        REQUIRE(t, eventually(t.env.clock, [&] { return scene.stop || scene.enters != before; }));
    }
    REQUIRE(t, enterer.wait() && second.wait());
    REQUIRE_EQUAL(t, enterer.word().cause(), abi::Cause::kExited);
    REQUIRE_EQUAL(t, scene.too_many.load(), 0u);
    REQUIRE(t, scene.consumed >= wanted && scene.refused >= wanted);
    REQUIRE(t, own_ring_works(t, *mine));
}

void scribbled_on(Case& t) { abuse(t, scribble, 300); }
void pages_come_and_go(Case& t) { abuse(t, remap, 0); }

struct Flicker {
    abi::ThreadParams params;
    std::atomic<bool> stop{false};
};

constexpr std::uint64_t kGoodLabel = 0x1111, kBadLabel = 0x2222;

// Good and bad parameters in turn, word by word.
std::uint64_t flicker(cap::Ring&, void* argument) {
    auto& shared = *static_cast<Flicker*>(argument);
    const abi::ThreadParams good = shared.params;
    abi::ThreadParams bad = good;
    bad.entry = bad.stack = bad.fs_base = 0xffff'8000'0000'0000;
    bad.ring_address += 1;
    bad.affinity = std::uint64_t{1} << 63;
    bad.first_cpu = ~std::uint64_t{0};
    bad.label = kBadLabel;
    auto* const words = reinterpret_cast<std::atomic<std::uint64_t>*>(&shared.params);
    const auto* const goods = reinterpret_cast<const std::uint64_t*>(&good);
    const auto* const bads = reinterpret_cast<const std::uint64_t*>(&bad);
    Random random(5);
    while (!shared.stop) {
        for (std::size_t i = 0; i < sizeof good / sizeof(std::uint64_t); ++i) {
            words[i] = random.one_in(12) ? bads[i] : goods[i];
        }
        delay_ticks(random.below(3000));
    }
    return 0;
}

// What was checked is what is used: a thread that comes to be has nothing of the bad parameters but the label.
void parameters_flicker(Case& t) {
    static Flicker shared;
    shared.stop = false;
    const std::uint64_t ring = MUST(t, t.env.space.reserve(abi::kRingPages));
    shared.params = {};
    shared.params.ring_address = ring;
    shared.params.affinity = 1;
    shared.params.label = kGoodLabel;
    const auto writer = MUST(t, Sibling::start(t.env, flicker, &shared, {.affinity = only(t.cpus() - 1)}));
    std::uint64_t made = 0;
    std::uint64_t refused = 0;
    for (std::uint64_t i = 0; i < 20'000 && (i < 2000 || made == 0 || refused == 0); ++i) {
        const auto reply = cap::cap_call(t.env.process.slot(), Op::kCreateThread,
                                         reinterpret_cast<std::uint64_t>(&shared.params));
        if (reply.result < 0) {
            ++refused;
            const Error error = error_of(reply.result);
            REQUIRE(t, error == Error::kBadAddress || error == Error::kMisaligned ||
                           error == Error::kBadArgument);
            continue;
        }
        ++made;
        const Owned thread(cap::Thread(abi::CapSlot::from_raw(static_cast<std::uint64_t>(reply.result))));
        const auto status = MUST(t, thread->status());
        REQUIRE_EQUAL(t, status.affinity, 1u);
        REQUIRE(t, status.label == kGoodLabel || status.label == kBadLabel);
        REQUIRE_EQUAL(t, status.word.cpu(), 0u);
        REQUIRE_OK(t, thread->kill(0));
        REQUIRE_OK(t, t.env.process.unmap(ring, abi::kRingPages));
    }
    shared.stop = true;
    REQUIRE(t, writer.wait());
    REQUIRE(t, made != 0 && refused != 0);
}

constexpr Entry kCases[] = {
    {"scribbled_on", scribbled_on},
    {"pages_come_and_go", pages_come_and_go},
    {"parameters_flicker", parameters_flicker},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "hostile_ring", kCases); }
