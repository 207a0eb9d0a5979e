// SPDX-License-Identifier: MIT
//
// Capabilities: slots and their generations, deriving, giving, dropping: docs/abi.md, "Slots".
#include "suite.hpp"
#include "support/child.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"

namespace {

using namespace test;
using abi::CapSlot;
using abi::Error;
using abi::ObjectType;

constexpr std::uint32_t kSlots = 4096;  // of a capability table

void initial_capabilities(Case& t) {
    struct Expected {
        std::string_view name;
        ObjectType type;
        abi::Rights rights;
    };
    constexpr Expected kExpected[] = {
        {"process", ObjectType::kProcess, abi::kAllRights},
        {"thread", ObjectType::kThread, abi::kAllRights},
        {"log", ObjectType::kLog, abi::kAllRights},
        {"domain", ObjectType::kSchedDomain, abi::kAllRights},
        {"machine", ObjectType::kMachine, abi::kAllRights},
        {"archive", ObjectType::kMemory, abi::kRead | abi::kGrant},
    };
    REQUIRE_EQUAL(t, t.env.info.cap_count, std::size(kExpected));
    for (const Expected& expected : kExpected) {
        const auto found = t.env.find<cap::Capability>(expected.name);
        REQUIRE(t, found.has_value());
        const auto identity = MUST(t, found->identify());
        REQUIRE_EQUAL(t, identity.type, expected.type);
        REQUIRE_EQUAL(t, identity.rights, expected.rights);
    }
}

void derive_rights(Case& t) {
    const Owned original(MUST(t, t.env.process.create_notification()));
    for (abi::Rights rights = 0; rights <= abi::kAllRights; ++rights) {
        const auto derived = MUST(t, derive(*original, rights));
        REQUIRE_EQUAL(t, MUST(t, derived->identify()).rights, rights);
        for (abi::Rights more = 0; more <= abi::kAllRights; ++more) {
            const auto again = derive(*derived, more);
            if ((more & ~rights) == 0) {
                REQUIRE_OK(t, again);
            } else {
                REQUIRE_ERROR(t, again, Error::kNoRight);
            }
        }
    }
    REQUIRE_ERROR(t, original->derive(abi::kAllRights + 1), Error::kNoRight);
    const auto high = cap::cap_call(original->slot(), abi::Op::kDerive, std::uint64_t{1} << 32 | abi::kRead);
    REQUIRE_EQUAL(t, error_of(high.result), Error::kNoRight);
}

void derived_names_the_same(Case& t) {
    Owned original(MUST(t, t.env.process.create_notification()));
    const auto writer = MUST(t, derive(*original, abi::kWrite));
    const auto reader = MUST(t, derive(*original, abi::kRead));
    original = {};
    REQUIRE_OK(t, writer->signal(6));
    REQUIRE_EQUAL(t, MUST(t, reader->poll()), 6u);
}

// A badge is given once, and stays with all that is derived.
void badge(Case& t) {
    constexpr std::uint64_t kBadge = 0xfedc'ba98'7654'3210;
    const Owned plain(MUST(t, t.env.process.create_notification()));
    REQUIRE_EQUAL(t, MUST(t, plain->identify()).badge, 0u);
    const auto badge_of = [](abi::CapSlot slot) {
        const Owned made{cap::Notification(slot)};
        const auto identity = made->identify();
        return identity ? identity->badge : 0;
    };
    REQUIRE_EQUAL(t, badge_of(MUST(t, plain->derive(abi::kRead))), 0u);
    REQUIRE_EQUAL(t, badge_of(MUST(t, t.env.process.give(plain->slot(), abi::kRead, kBadge))), kBadge);
    const Owned badged(cap::Notification(MUST(t, plain->derive(abi::kAllRights, kBadge))));
    const auto identity = MUST(t, badged->identify());
    REQUIRE_EQUAL(t, identity.badge, kBadge);
    REQUIRE_EQUAL(t, identity.type, ObjectType::kNotification);
    REQUIRE_EQUAL(t, identity.rights, abi::kAllRights);
    REQUIRE_EQUAL(t, badge_of(MUST(t, badged->derive(0))), kBadge);
    REQUIRE_EQUAL(t, badge_of(MUST(t, badged->derive(0, kBadge))), kBadge);
    REQUIRE_EQUAL(t, badge_of(MUST(t, t.env.process.give(badged->slot(), abi::kRead))), kBadge);
    REQUIRE_ERROR(t, badged->derive(0, kBadge + 1), Error::kWrongState);
    REQUIRE_ERROR(t, t.env.process.give(badged->slot(), 0, 1), Error::kWrongState);
    // It is the capability's, not the object's, nor the slot's.
    REQUIRE_EQUAL(t, MUST(t, plain->identify()).badge, 0u);
    REQUIRE_EQUAL(t, badge_of(MUST(t, plain->derive(0))), 0u);
}

void dropped_slot(Case& t) {
    const cap::Notification notification = MUST(t, t.env.process.create_notification());
    REQUIRE_EQUAL(t, by_call({abi::Op::kDrop, notification.slot()}), Error::kOk);
    REQUIRE_ERROR(t, notification.poll(), Error::kStaleSlot);
    REQUIRE_EQUAL(t, by_call({abi::Op::kDrop, notification.slot()}), Error::kStaleSlot);
    const CapSlot next{notification.slot().index, notification.slot().generation + 1};
    REQUIRE_EQUAL(t, by_call({abi::Op::kNop, next}), Error::kBadSlot);
}

// A reference to a slot never reaches what a later one put there.
void reused_slot(Case& t) {
    std::array<CapSlot, 50> past{};
    for (CapSlot& slot : past) {
        const cap::Notification notification = MUST(t, t.env.process.create_notification());
        slot = notification.slot();
        REQUIRE_EQUAL(t, slot.index, past[0].index);
        REQUIRE_OK(t, notification.signal(1));
        for (const CapSlot& old : past) {
            if (&old == &slot) {
                break;
            }
            REQUIRE_ERROR(t, cap::Notification(old).signal(2), Error::kStaleSlot);
        }
        REQUIRE_EQUAL(t, MUST(t, notification.poll()), 1u);
        notification.drop();
    }
}

std::array<CapSlot, kSlots> filler_slots;

// Fills the own table with copies of a capability. One at a time.
class Filler {
public:
    explicit Filler(cap::Capability capability) {
        for (auto slot = capability.derive(0); slot; slot = capability.derive(0)) {
            filler_slots[count_++] = *slot;
        }
    }
    Filler(const Filler&) = delete;
    Filler& operator=(const Filler&) = delete;
    ~Filler() { drop(count_); }

    void drop(std::size_t how_many) {
        for (; how_many != 0; --how_many) {
            cap::Capability(filler_slots[--count_]).drop();
        }
    }
    [[nodiscard]] std::size_t count() const { return count_; }

private:
    std::size_t count_ = 0;
};

// Every way to get a capability is refused when the table is full, and works again when there is room.
void full_table(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    Owned child(MUST(t, t.env.process.create_process("target")));
    Filler filler(*bell);
    REQUIRE_EQUAL(t, filler.count(), kSlots - t.env.info.cap_count - 2);

    abi::ThreadParams params{};
    params.ring_address = 0x20'0000;
    const auto attempts = [&](Error expected) {
        REQUIRE_EQUAL(t, error_of(bell->derive(abi::kRead)), expected);
        REQUIRE_EQUAL(t, error_of(t.env.process.create_memory(1)), expected);
        REQUIRE_EQUAL(t, error_of(t.env.process.create_process("none")), expected);
        REQUIRE_EQUAL(t, error_of(t.env.process.create_notification()), expected);
        REQUIRE_EQUAL(t, error_of(t.env.process.give(bell->slot(), abi::kRead)), expected);
        REQUIRE_EQUAL(t, error_of(child->create_thread(params)), expected);
    };
    attempts(Error::kNoSlot);
    filler.drop(6);
    attempts(Error::kOk);  // and nothing is left of what was refused
}

void give(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const Owned process(MUST(t, t.env.process.create_process("target")));
    const CapSlot there = MUST(t, process->give(bell->slot(), abi::kWrite));
    REQUIRE(t, there.generation != 0);

    REQUIRE_ERROR(t, process->give({}, abi::kWrite), Error::kBadSlot);
    REQUIRE_ERROR(t, process->give({kSlots, 1}, abi::kWrite), Error::kBadSlot);
    const auto kept = MUST(t, derive(*bell, abi::kAllRights & ~abi::kGrant));
    REQUIRE_ERROR(t, process->give(kept->slot(), abi::kWrite), Error::kNoRight);
    const auto weak = MUST(t, derive(*bell, abi::kRead | abi::kGrant));
    REQUIRE_ERROR(t, process->give(weak->slot(), abi::kWrite), Error::kNoRight);
    REQUIRE_ERROR(t, process->give(weak->slot(), abi::kAllRights + 1), Error::kNoRight);
    REQUIRE_OK(t, process->give(weak->slot(), abi::kRead));
    const CapSlot stale = MUST(t, bell->derive(abi::kAllRights));
    cap::Notification(stale).drop();
    REQUIRE_ERROR(t, process->give(stale, abi::kWrite), Error::kStaleSlot);
}

void given_works(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const cap::GivenCap caps[] = {{"bell", bell->slot(), abi::kWrite}};
    const auto child = MUST(t, Child::create(t.env, "mode=ring_bell value=5", {.caps = caps}));
    REQUIRE_EQUAL(t, MUST(t, child.run(t.env)), kDoneExitCode);
    REQUIRE_EQUAL(t, MUST(t, bell->wait(t.env.ring, patience_ns)), 5u);
    // With the wrong right it cannot be used there.
    const cap::GivenCap readable[] = {{"bell", bell->slot(), abi::kRead}};
    const auto other = MUST(t, Child::create(t.env, "mode=ring_bell value=5", {.caps = readable}));
    REQUIRE_EQUAL(t, MUST(t, other.run(t.env)), 1u);
}

void give_to_oneself(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const Owned given(cap::Notification(MUST(t, t.env.process.give(bell->slot(), abi::kWrite))));
    REQUIRE_OK(t, given->signal(3));
    REQUIRE_ERROR(t, given->poll(), Error::kNoRight);
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 3u);
}

void full_target_table(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const Owned process(MUST(t, t.env.process.create_process("target")));
    for (std::uint32_t i = 0; i < kSlots; ++i) {
        REQUIRE_OK(t, process->give(bell->slot(), abi::kRead));
    }
    REQUIRE_ERROR(t, process->give(bell->slot(), abi::kRead), Error::kNoSlot);
}

constexpr Entry kCases[] = {
    {"initial_capabilities", initial_capabilities},
    {"derive_rights", derive_rights},
    {"derived_names_the_same", derived_names_the_same},
    {"badge", badge},
    {"dropped_slot", dropped_slot},
    {"reused_slot", reused_slot},
    {"full_table", full_table},
    {"give", give},
    {"given_works", given_works},
    {"give_to_oneself", give_to_oneself},
    {"full_target_table", full_target_table},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "capability", kCases); }
