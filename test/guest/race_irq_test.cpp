// SPDX-License-Identifier: MIT
//
// Interrupts that come while their line is acknowledged, bound and dropped on several CPUs at once. The line never goes dead: whoever
// has it next gets interrupts, and an acknowledging thread that is in time gets one for each time.
#include "suite.hpp"
#include "support/owned.hpp"
#include "support/random.hpp"
#include "support/rtc.hpp"
#include "support/sibling.hpp"

#include <array>
#include <atomic>
#include <optional>

namespace {

using namespace test;

struct Scene {
    const cap::Env& env;
    cap::Machine machine;
    std::uint64_t seed;
    std::atomic<std::uint64_t> slot{0};  // of the Irq that is there now; 0: none
    std::atomic<std::uint64_t> bell{0};
    std::atomic<std::uint64_t> seats{0}, stale{0}, acknowledged{0};
    std::atomic<bool> over{false};
};

// Acknowledges and binds for no reason, by a slot that may have gone.
std::uint64_t meddle(cap::Ring&, void* argument) {
    auto& scene = *static_cast<Scene*>(argument);
    Random random(scene.seed + 1000 * ++scene.seats);
    while (!scene.over) {
        const cap::Irq irq(abi::CapSlot::from_raw(scene.slot));
        if (!irq) {
            continue;
        }
        delay_ticks(random.below(200'000));
        const bool done = random.one_in(4)
                              ? irq.bind(cap::Notification(abi::CapSlot::from_raw(scene.bell)), 1).has_value()
                              : irq.acknowledge().has_value();
        ++(done ? scene.acknowledged : scene.stale);
    }
    return 0;
}

void one_life(Case& t, Scene& scene, Random& random) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    // An operation of a meddler's may hold the last one a little longer.
    Owned<cap::Irq> irq;
    REQUIRE(t, eventually(t.env.clock, [&] {
                const auto claimed = Rtc::claim(t.machine);
                irq = Owned(claimed.value_or(cap::Irq()));
                return claimed.has_value();
            }));
    const Rtc rtc(*irq);
    REQUIRE_OK(t, irq->bind(*bell, 1));
    REQUIRE_OK(t, rtc.start(Rtc::kFast));
    scene.bell = bell->slot().raw();
    scene.slot = irq->slot().raw();
    for (std::uint64_t i = 1 + random.below(8); i > 0; --i) {
        // The meddlers' acknowledgements let through what was not served: so the device is served until something comes.
        REQUIRE(t, eventually(t.env.clock, [&] { return rtc.take() && bell->poll().value_or(0) == 1; }));
        REQUIRE_OK(t, irq->acknowledge());
    }
    scene.slot = 0;
    delay_ticks(random.below(100'000));
}

void lives_of_a_line(Case& t) {
    Scene scene{.env = t.env, .machine = t.machine, .seed = t.seed};
    Random random(t.seed);
    std::array<std::optional<Sibling>, 8> meddlers;
    for (std::uint32_t cpu = 1; cpu < t.cpus(); ++cpu) {
        meddlers[cpu].emplace(MUST(t, Sibling::start(t.env, meddle, &scene, {.affinity = only(cpu)})));
    }
    for (int round = 0; !t.failed() && (round < 40 || (round < 2000 && scene.stale < 20)); ++round) {
        one_life(t, scene, random);
    }
    scene.over = true;
    for (std::uint32_t cpu = 1; cpu < t.cpus(); ++cpu) {
        REQUIRE(t, meddlers[cpu]->wait());
    }
    t.env.log.print("race: in_time={} too_late={}", scene.acknowledged.load(), scene.stale.load());
    REQUIRE(t, scene.acknowledged >= 20 && scene.stale >= 5);
}

constexpr Entry kCases[] = {{"lives_of_a_line", lives_of_a_line}};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_irq", kCases); }
