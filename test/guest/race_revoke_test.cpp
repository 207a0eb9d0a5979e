// SPDX-License-Identifier: MIT
//
// Revoking against everything else that is done with a capability at the same moment on another CPU: deriving from it, giving
// it, moving it, using it, dropping it, and the end of the process that has it. Afterwards nothing that was derived is left, the
// root works, and when that is dropped the object goes: no reference was lost, and none was kept.
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/observe.hpp"
#include "support/owned.hpp"
#include "support/race.hpp"
#include "support/sibling.hpp"

#include <optional>

namespace {

using namespace test;
using abi::CapSlot;
using abi::Error;
using abi::Op;
using cap::Notification;

constexpr std::uint64_t kGivenAway = abi::kRevokedPerCall - 2;

// What the helper, on the last CPU, does when it is met, and what came of it.
struct Duel {
    std::int64_t (*act)(const Duel&);
    Race race{};
    std::atomic<std::uint64_t> derived{0}, target{0};  // slots
    std::atomic<std::int64_t> result{0};
    std::atomic<std::uint64_t> done{0};

    [[nodiscard]] CapSlot derived_slot() const { return CapSlot::from_raw(derived.load()); }
    [[nodiscard]] CapSlot target_slot() const { return CapSlot::from_raw(target.load()); }
};

std::uint64_t act_when_met(cap::Ring&, void* argument) {
    Duel& duel = *static_cast<Duel*>(argument);
    for (std::uint64_t round = 1;; ++round) {
        duel.race.meet(round);
        duel.result = duel.act(duel);
        duel.done = round;
    }
}

bool is_stale(CapSlot slot) { return error_of(Notification(slot).identify()) == Error::kStaleSlot; }

// Whether nobody but `root` refers to its object: an operation that waits there says so when that is dropped.
bool is_the_last(const cap::Env& env, Notification root) {
    if (!root.poll() || !env.ring.prepare(cap::submission(Op::kWaitBits, root.slot(), 1)) ||
        error_of(env.ring.submit_and_wait(1, 0)) != Error::kTimedOut) {
        return false;
    }
    root.drop();
    const auto come = env.ring.submit_and_wait(1, patience_ns);
    const auto completion = env.ring.next();
    return come && completion && error_of(completion->result) == Error::kGone;
}

struct Outcome {
    std::int64_t acted;     // the helper's result; maybe a slot
    std::uint64_t revoked;  // how many the first call emptied
};

// A notification, one that was derived from it, and others given to a process. All that is revoked while `act` is done.
// `revoker_won(outcome)`: of two possible orders.
void against(Case& t, std::int64_t (*act)(const Duel&), bool (*revoker_won)(const Outcome&)) {
    Duel duel{.act = act};
    const auto helper = MUST(t, Sibling::start(t.env, act_when_met, &duel,
                                               {.affinity = only(last_cpu(t)), .first_cpu = last_cpu(t)}));
    Random random(t.seed);
    Aim aim(random, Race::kLead);
    for (std::uint64_t round = 1;; ++round) {
        Owned root(MUST(t, t.env.process.create_notification()));
        const Owned target(MUST(t, t.env.process.create_process("target")));
        for (std::uint64_t i = 0; i < kGivenAway; ++i) {
            REQUIRE_OK(t, target->give(root->slot(), abi::kRead));
        }
        const Owned derived(Notification(MUST(t, root->derive(abi::kAllRights))));
        duel.derived = derived->slot().raw();
        duel.target = target->slot().raw();
        REQUIRE(t, duel.race.meet_aimer(round, aim));
        const auto first = cap::cap_call(root->slot(), Op::kRevoke);
        REQUIRE(t, first.result >= 0);
        REQUIRE_OK(t, root->revoke());
        REQUIRE(t, eventually(t.env.clock, [&] { return duel.done == round; }));
        const Outcome outcome{duel.result.load(), static_cast<std::uint64_t>(first.result)};
        REQUIRE(t, outcome.acted >= 0 || error_of(outcome.acted) == Error::kStaleSlot);
        REQUIRE(t, is_stale(derived->slot()));
        if (const auto made = CapSlot::from_raw(static_cast<std::uint64_t>(outcome.acted));
            outcome.acted > 0 && made) {
            REQUIRE(t, is_stale(made));  // what came to be has gone with the rest
        }
        const auto again = cap::cap_call(root->slot(), Op::kRevoke);
        REQUIRE_EQUAL(t, again.result, 0);
        REQUIRE_EQUAL(t, again.result2, 0u);
        (void)MUST(t, root->poll());
        REQUIRE_OK(t, root->signal(5));
        REQUIRE_EQUAL(t, MUST(t, root->poll()), 5u);
        REQUIRE(t, is_the_last(t.env, *root));
        root = {};
        (void)duel.race.settle(revoker_won(outcome));
        if (!duel.race.steer(round, aim)) {
            break;
        }
    }
    t.env.log.print("race: revoked_before={} done_before={}", duel.race.aimer_wins(), duel.race.actor_wins());
    REQUIRE(t, duel.race.exercised());
}

bool was_refused(const Outcome& outcome) { return outcome.acted < 0; }

void derive_meanwhile(Case& t) {
    against(
        t,
        [](const Duel& duel) {
            return cap::cap_call(duel.derived_slot(), Op::kDerive, abi::kAllRights, std::uint64_t{0}).result;
        },
        was_refused);
}

void give_meanwhile(Case& t) {
    against(
        t,
        [](const Duel& duel) {
            const auto given = cap::Process(duel.target_slot()).give(duel.derived_slot(), abi::kRead);
            return given ? std::int64_t{1} : static_cast<std::int64_t>(given.error());
        },
        was_refused);
}

void move_meanwhile(Case& t) {
    against(
        t,
        [](const Duel& duel) {
            const auto moved = cap::Process(duel.target_slot()).move(duel.derived_slot(), abi::kRead);
            return moved ? std::int64_t{1} : static_cast<std::int64_t>(moved.error());
        },
        was_refused);
}

void use_meanwhile(Case& t) {
    against(
        t, [](const Duel& duel) { return cap::cap_call(duel.derived_slot(), Op::kSignal, 1).result; },
        was_refused);
}

void drop_meanwhile(Case& t) {
    against(
        t, [](const Duel& duel) { return cap::cap_call(duel.derived_slot(), Op::kDrop).result; },
        was_refused);
}

// The process that has most of them ends: its table is emptied from one end, and by the revoker from the other.
void exit_meanwhile(Case& t) {
    against(
        t, [](const Duel& duel) { return cap::cap_call(duel.target_slot(), Op::kKillProcess, 0).result; },
        [](const Outcome& outcome) { return outcome.revoked == kGivenAway + 1; });
}

// Two revoke at the same time: what was derived, and what was derived from that.
void revoke_meanwhile(Case& t) {
    against(
        t, [](const Duel& duel) { return cap::cap_call(duel.derived_slot(), Op::kRevoke).result; },
        was_refused);
}

// Everything at once, on all CPUs, among slots that all share; whoever finds a slot stale has lost a race, and nothing else.
struct Storm {
    static constexpr std::size_t kPlaces = 48;
    std::uint64_t seed;
    cap::Process self, target;
    std::atomic<std::uint64_t> stop{0};
    std::atomic<std::uint64_t> wrong{0};
    std::array<std::atomic<std::uint64_t>, kPlaces> slots{};
    std::atomic<std::uint64_t> made{0}, stale{0};
    std::atomic<std::uint64_t> number{0};
};

std::uint64_t meddle(cap::Ring&, void* argument) {
    Storm& storm = *static_cast<Storm*>(argument);
    Random random(storm.seed * 64 + ++storm.number);
    while (storm.stop == 0) {
        const Notification from(CapSlot::from_raw(storm.slots[random.below(Storm::kPlaces)].load()));
        auto& to = storm.slots[random.below(Storm::kPlaces)];
        Error error = Error::kOk;
        const auto keep = [&](const cap::Result<CapSlot>& slot) {
            error = error_of(slot);
            if (slot) {
                ++storm.made;
                Notification(CapSlot::from_raw(to.exchange(slot->raw()))).drop();
            }
        };
        switch (random.below(8)) {
            case 0:
            case 1:
            case 2: keep(from.derive(abi::kAllRights)); break;
            case 3: keep(storm.self.give(from.slot(), abi::kAllRights)); break;
            case 4: keep(storm.self.move(from.slot(), abi::kAllRights)); break;
            case 5: error = error_of(storm.target.give(from.slot(), abi::kRead)); break;
            case 6: error = error_of(from.signal(1)); break;
            default: error = random.one_in(8) ? error_of(from.revoke()) : error_of(from.poll());
        }
        const bool empty = from.slot() == CapSlot{} && error == Error::kBadSlot;
        storm.stale += error == Error::kStaleSlot;
        storm.wrong += error != Error::kOk && error != Error::kStaleSlot && error != Error::kNoSlot && !empty;
    }
    return 0;
}

void storm(Case& t) {
    const Owned root(MUST(t, t.env.process.create_notification()));
    Owned target(MUST(t, t.env.process.create_process("target")));
    Storm storm{.seed = t.seed, .self = t.env.process, .target = *target};
    std::array<std::optional<Sibling>, 8> meddlers;
    const std::uint32_t count = std::min(t.cpus(), 8u);
    for (std::uint64_t cpu = 0; cpu < count; ++cpu) {
        meddlers[cpu].emplace(
            MUST(t, Sibling::start(t.env, meddle, &storm, {.affinity = only(cpu), .first_cpu = cpu})));
    }
    Random random(t.seed);
    const auto refill = [&] {
        for (auto& slot : storm.slots) {
            if (const auto made = root->derive(abi::kAllRights)) {
                Notification(CapSlot::from_raw(slot.exchange(made->raw()))).drop();
            }
        }
    };
    for (int i = 0; i < 100; ++i) {
        refill();
        sleep_ns(random.below(2 * kMillisecond));
        REQUIRE_OK(t, root->revoke());
    }
    storm.stop = 1;
    for (std::uint64_t cpu = 0; cpu < count; ++cpu) {
        REQUIRE(t, meddlers[cpu]->wait());
    }
    REQUIRE_OK(t, root->revoke());
    for (const auto& slot : storm.slots) {
        REQUIRE(t, slot == 0 || is_stale(CapSlot::from_raw(slot.load())));
    }
    t.env.log.print("race: made={} stale={}", storm.made.load(), storm.stale.load());
    REQUIRE_EQUAL(t, storm.wrong.load(), 0u);
    REQUIRE(t, storm.made > 100 && storm.stale > 100);
    REQUIRE(t, is_the_last(t.env, *root));
}

constexpr Entry kCases[] = {
    {"derive_meanwhile", derive_meanwhile}, {"give_meanwhile", give_meanwhile},
    {"move_meanwhile", move_meanwhile},     {"use_meanwhile", use_meanwhile},
    {"drop_meanwhile", drop_meanwhile},     {"exit_meanwhile", exit_meanwhile},
    {"revoke_meanwhile", revoke_meanwhile}, {"storm", storm},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "race_revoke", kCases); }
