// SPDX-License-Identifier: MIT
//
// Revoking, and moving: docs/abi.md, "Deriving and revoking".
#include "cap/address_space.hpp"
#include "suite.hpp"
#include "support/child.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"

#include <algorithm>

namespace {

using namespace test;
using abi::CapSlot;
using abi::Error;
using abi::Op;
using cap::Notification;

constexpr abi::Rights kAll = abi::kAllRights;

bool is_stale(CapSlot slot) { return error_of(Notification(slot).identify()) == Error::kStaleSlot; }
bool is_there(CapSlot slot) { return error_of(Notification(slot).identify()) == Error::kOk; }

//   root ── a ── b ── c
//        └─ d ── e
struct Tree {
    Owned<Notification> root, a, b, c, d, e;

    static cap::Result<Tree> make(const cap::Env& env) {
        Tree tree;
        tree.root = Owned(TRY(env.process.create_notification()));
        tree.a = TRY(derive(*tree.root, kAll));
        tree.d = TRY(derive(*tree.root, kAll));
        tree.b = TRY(derive(*tree.a, kAll));
        tree.c = TRY(derive(*tree.b, kAll));
        tree.e = TRY(derive(*tree.d, kAll));
        return tree;
    }
};

void all_that_was_derived(Case& t) {
    const Tree tree = MUST(t, Tree::make(t.env));
    REQUIRE_OK(t, tree.a->revoke());
    REQUIRE(t, is_there(tree.a->slot()) && is_stale(tree.b->slot()) && is_stale(tree.c->slot()));
    REQUIRE(t, is_there(tree.root->slot()) && is_there(tree.d->slot()) && is_there(tree.e->slot()));
    REQUIRE_ERROR(t, tree.c->signal(1), Error::kStaleSlot);
    REQUIRE_OK(t, tree.a->revoke());  // nothing is left to do
    REQUIRE_OK(t, tree.root->revoke());
    REQUIRE(t, is_stale(tree.a->slot()) && is_stale(tree.d->slot()) && is_stale(tree.e->slot()));
    // The object lives on, and can be derived from.
    REQUIRE_OK(t, tree.root->signal(6));
    const auto again = MUST(t, derive(*tree.root, abi::kRead));
    REQUIRE_EQUAL(t, MUST(t, again->poll()), 6u);
}

void one_without_any(Case& t) {
    const Tree tree = MUST(t, Tree::make(t.env));
    const auto nothing = cap::cap_call(tree.c->slot(), Op::kRevoke);
    REQUIRE_EQUAL(t, nothing.result, 0);
    REQUIRE_EQUAL(t, nothing.result2, 0u);
    REQUIRE(t, is_there(tree.b->slot()) && is_there(tree.c->slot()));
    // Without any right, too: whoever may derive may revoke.
    const auto weak = MUST(t, derive(*tree.root, 0));
    const auto weaker = MUST(t, derive(*weak, 0));
    REQUIRE_EQUAL(t, by_ring(t.env, {Op::kRevoke, weak->slot()}), Error::kOk);
    REQUIRE(t, is_stale(weaker->slot()));
}

// A capability that is dropped leaves what was derived from it to where it came from, and not to its sibling.
void middle_dropped(Case& t) {
    Tree tree = MUST(t, Tree::make(t.env));
    const auto newer = MUST(t, derive(*tree.root, kAll));
    tree.a = {};
    const auto newest = MUST(t, derive(*tree.root, kAll));
    REQUIRE_OK(t, newer->revoke());
    REQUIRE_OK(t, newest->revoke());
    REQUIRE_OK(t, tree.d->revoke());
    REQUIRE(t, is_there(tree.b->slot()) && is_there(tree.c->slot()) && is_stale(tree.e->slot()));
    REQUIRE_OK(t, tree.root->revoke());
    REQUIRE(t, is_stale(tree.b->slot()) && is_stale(tree.c->slot()));
}

// The root is dropped: nobody revokes what others have.
void root_dropped(Case& t) {
    Tree tree = MUST(t, Tree::make(t.env));
    tree.root = {};
    REQUIRE_OK(t, tree.d->revoke());
    REQUIRE_OK(t, tree.a->revoke());
    REQUIRE(t, is_there(tree.a->slot()) && is_there(tree.d->slot()));
    REQUIRE(t, is_stale(tree.c->slot()) && is_stale(tree.e->slot()));
}

void an_emptied_slot(Case& t) {
    const Tree tree = MUST(t, Tree::make(t.env));
    REQUIRE_OK(t, tree.root->revoke());
    for (const Op op :
         {Op::kIdentify, Op::kDrop, Op::kDerive, Op::kNop, Op::kRevoke, Op::kSignal, Op::kPollBits}) {
        REQUIRE_EQUAL(t, by_call({op, tree.c->slot()}), Error::kStaleSlot);
        REQUIRE_EQUAL(t, by_ring(t.env, {op, tree.c->slot()}), Error::kStaleSlot);
    }
    REQUIRE_ERROR(t, t.env.process.give(tree.c->slot(), 0), Error::kStaleSlot);
    REQUIRE_EQUAL(t, by_call({Op::kRevoke, {}}), Error::kBadSlot);
    // The lowest of the places is the next that is used, with another generation.
    const auto next = MUST(t, derive(*tree.root, kAll));
    REQUIRE_EQUAL(t, next->slot().index, tree.a->slot().index);
    REQUIRE_EQUAL(t, next->slot().generation, tree.a->slot().generation + 1);
    REQUIRE(t, is_stale(tree.a->slot()));
}

void in_pieces(Case& t) {
    const Owned root(MUST(t, t.env.process.create_notification()));
    const auto parent = MUST(t, derive(*root, kAll));
    constexpr std::uint64_t kMany = 2 * abi::kRevokedPerCall + 5;
    std::array<CapSlot, kMany> made{};
    for (CapSlot& slot : made) {
        slot = MUST(t, parent->derive(abi::kRead));
    }
    const auto there = [&] {
        return std::ranges::count_if(made, [](CapSlot slot) { return is_there(slot); });
    };
    for (const std::uint64_t left : {kMany - abi::kRevokedPerCall, kMany - 2 * abi::kRevokedPerCall, 0ul}) {
        const auto before = static_cast<std::uint64_t>(there());
        const auto reply = cap::cap_call(parent->slot(), Op::kRevoke);
        REQUIRE_EQUAL(t, static_cast<std::uint64_t>(reply.result), before - left);
        REQUIRE_EQUAL(t, reply.result2, left != 0 ? 1u : 0u);
        REQUIRE_EQUAL(t, static_cast<std::uint64_t>(there()), left);
    }
    // Just as many as one call does: it says that there are none more.
    for (std::uint64_t i = 0; i < abi::kRevokedPerCall; ++i) {
        made[i] = MUST(t, parent->derive(abi::kRead));
    }
    const auto reply = cap::cap_call(parent->slot(), Op::kRevoke);
    REQUIRE_EQUAL(t, static_cast<std::uint64_t>(reply.result), abi::kRevokedPerCall);
    REQUIRE_EQUAL(t, reply.result2, 0u);
    REQUIRE_OK(t, root->revoke());
    REQUIRE(t, is_stale(parent->slot()));
}

// In another process's table, which sees it at its next use.
void in_another_process(Case& t) {
    const Owned ask(MUST(t, t.env.process.create_notification()));
    const Owned answer(MUST(t, t.env.process.create_notification()));
    const auto lent = MUST(t, derive(*answer, kAll));
    const cap::GivenCap caps[] = {{"ask", ask->slot(), abi::kRead}, {"answer", lent->slot(), abi::kWrite}};
    const auto child = MUST(t, Child::create(t.env, "mode=echo", {.caps = caps}));
    REQUIRE_OK(t, child->thread.start());
    REQUIRE_OK(t, ask->signal(1));
    REQUIRE_EQUAL(t, MUST(t, answer->wait(t.env.ring, patience_ns)), 1u);
    REQUIRE_OK(t, lent->revoke());
    REQUIRE_OK(t, ask->signal(2));
    REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), 1u);  // it could not answer
    REQUIRE_EQUAL(t, MUST(t, answer->poll()), 0u);
    REQUIRE(t, is_there(lent->slot()));
}

// The table of a process that has gone holds nothing, and revoking goes on past it.
void in_a_process_that_has_gone(Case& t) {
    const Owned root(MUST(t, t.env.process.create_notification()));
    const Owned process(MUST(t, t.env.process.create_process("target")));
    for (int i = 0; i < 3; ++i) {
        REQUIRE_OK(t, process->give(root->slot(), kAll));
    }
    const auto own = MUST(t, derive(*root, kAll));
    REQUIRE_OK(t, process->kill(0));
    const auto reply = cap::cap_call(root->slot(), Op::kRevoke);
    REQUIRE_EQUAL(t, reply.result, 1);
    REQUIRE(t, is_stale(own->slot()));
}

// An operation in flight goes on; it cannot be cancelled by that slot any more.
void operation_in_flight(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const auto lent = MUST(t, derive(*bell, kAll));
    REQUIRE_OK(t, t.env.ring.prepare(cap::submission(Op::kWaitBits, lent->slot(), 9)));
    REQUIRE_ERROR(t, t.env.ring.submit_and_wait(1, 0), Error::kTimedOut);
    REQUIRE_OK(t, bell->revoke());
    REQUIRE_ERROR(t, lent->cancel(9), Error::kStaleSlot);
    REQUIRE_OK(t, bell->signal(4));
    REQUIRE_OK(t, t.env.ring.submit_and_wait(1, patience_ns));
    REQUIRE_EQUAL(t, t.env.ring.next()->result, 4);
}

// A mapping stays as it is, and what its capability allowed.
void mapping_stays(Case& t) {
    constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite;
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const auto lent = MUST(t, derive(*memory, kReadWrite));
    const std::uint64_t address = t.env.info.free_address + 0x1000'0000;
    REQUIRE_OK(t, t.env.process.map(*lent, address, 0, 1, kReadWrite));
    auto& word = *reinterpret_cast<volatile std::uint64_t*>(address);
    word = 11;
    REQUIRE_OK(t, memory->revoke());
    REQUIRE_ERROR(t, t.env.process.map(*lent, address + abi::kPageSize, 0, 1, abi::kRead), Error::kStaleSlot);
    REQUIRE_EQUAL(t, word, 11u);
    word = 12;
    REQUIRE_OK(t, t.env.process.protect(address, 1, abi::kRead));
    REQUIRE_OK(t, t.env.process.protect(address, 1, kReadWrite));
    REQUIRE_ERROR(t, t.env.process.protect(address, 1, abi::kRead | abi::kExecute), Error::kNoRight);
    word = 13;
    REQUIRE_EQUAL(t, word, 13u);
    REQUIRE_OK(t, t.env.process.unmap(address, 1));
}

// The kernel remembers by which slot a thread names itself: that is forgotten too.
void remembered_slots(Case& t) {
    const auto self = MUST(t, derive(t.env.thread, kAll));
    const auto process = MUST(t, derive(t.env.process, kAll));
    std::atomic<std::uint32_t> word{1};
    const auto park = [&] {
        return by_call({Op::kPark, process->slot(), {reinterpret_cast<std::uint64_t>(&word), 0, 0}});
    };
    for (int i = 0; i < 3; ++i) {
        REQUIRE_EQUAL(t, by_call({Op::kYield, self->slot()}), Error::kOk);
        REQUIRE_EQUAL(t, park(), Error::kValueChanged);
    }
    const auto thread_child = MUST(t, derive(*self, kAll));
    REQUIRE_OK(t, t.env.thread.revoke());
    REQUIRE_OK(t, t.env.process.revoke());
    REQUIRE_EQUAL(t, by_call({Op::kYield, self->slot()}), Error::kStaleSlot);
    REQUIRE_EQUAL(t, park(), Error::kStaleSlot);
    REQUIRE(t, is_stale(thread_child->slot()));
    REQUIRE_EQUAL(t, by_call({Op::kYield, t.env.thread.slot()}), Error::kOk);
}

// A moved capability leaves its slot, and stands where it stood.
void moved(Case& t) {
    const Tree tree = MUST(t, Tree::make(t.env));
    const Owned there(Notification(MUST(t, t.env.process.move(tree.a->slot(), kAll, 77))));
    REQUIRE(t, is_stale(tree.a->slot()) && is_there(tree.b->slot()));
    REQUIRE_EQUAL(t, MUST(t, there->identify()).badge, 77u);
    REQUIRE_OK(t, there->signal(3));
    REQUIRE_EQUAL(t, MUST(t, tree.root->poll()), 3u);
    REQUIRE_OK(t, there->revoke());
    REQUIRE(t, is_there(there->slot()) && is_stale(tree.b->slot()) && is_stale(tree.c->slot()));
    REQUIRE_OK(t, tree.root->revoke());
    REQUIRE(t, is_stale(there->slot()));
}

void moved_to_another_process(Case& t) {
    const Tree tree = MUST(t, Tree::make(t.env));
    const Owned process(MUST(t, t.env.process.create_process("target")));
    REQUIRE_OK(t, process->move(tree.a->slot(), abi::kWrite));
    REQUIRE(t, is_stale(tree.a->slot()) && is_there(tree.c->slot()));
    // The root itself: what was derived from it is derived from one over there.
    REQUIRE_OK(t, process->move(tree.root->slot(), kAll));
    REQUIRE(t, is_stale(tree.root->slot()) && is_there(tree.d->slot()));
    REQUIRE_OK(t, process->kill(0));
    REQUIRE_OK(t, tree.d->signal(1));
    REQUIRE_EQUAL(t, MUST(t, tree.c->poll()), 1u);
}

void move_errors(Case& t) {
    const Tree tree = MUST(t, Tree::make(t.env));
    const Owned process(MUST(t, t.env.process.create_process("target")));
    const auto weak = MUST(t, derive(*tree.root, kAll & ~abi::kGrant));
    const auto badged = Owned(Notification(MUST(t, tree.root->derive(kAll, 5))));
    REQUIRE_ERROR(t, process->move({}, 0), Error::kBadSlot);
    REQUIRE_ERROR(t, process->move(weak->slot(), 0), Error::kNoRight);
    REQUIRE_ERROR(t, process->move(badged->slot(), kAll + 1), Error::kNoRight);
    REQUIRE_ERROR(t, process->move(badged->slot(), kAll, 6), Error::kWrongState);
    for (const std::uint64_t flags : {2ull, 3ull, 1ull << 63}) {
        REQUIRE_EQUAL(t, by_call({Op::kGive, process->slot(), {tree.a->slot().raw(), 0, 0, flags}}),
                      Error::kBadArgument);
    }
    // A full table, a process that has gone: the capability stays.
    while (process->give(badged->slot(), 0)) {
    }
    REQUIRE_ERROR(t, process->move(badged->slot(), kAll), Error::kNoSlot);
    REQUIRE_OK(t, process->kill(0));
    REQUIRE_ERROR(t, process->move(badged->slot(), kAll), Error::kWrongState);
    REQUIRE(t, is_there(weak->slot()) && is_there(badged->slot()) && is_there(tree.a->slot()));
}

constexpr Entry kCases[] = {
    {"all_that_was_derived", all_that_was_derived},
    {"one_without_any", one_without_any},
    {"middle_dropped", middle_dropped},
    {"root_dropped", root_dropped},
    {"an_emptied_slot", an_emptied_slot},
    {"in_pieces", in_pieces},
    {"in_another_process", in_another_process},
    {"in_a_process_that_has_gone", in_a_process_that_has_gone},
    {"operation_in_flight", operation_in_flight},
    {"mapping_stays", mapping_stays},
    {"remembered_slots", remembered_slots},
    {"moved", moved},
    {"moved_to_another_process", moved_to_another_process},
    {"move_errors", move_errors},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "revoke", kCases); }
