// SPDX-License-Identifier: MIT
//
// Derivation: which capability was derived from which. Each one is a pair of brackets in a ring of brackets; what was derived
// from it stands between them:
//
//     a ( b ( d )  c ( ) )        b and c were derived from a, d from b
//
// Every change is a few stores, however many were derived. One that leaves takes its brackets away, so that what was derived
// from it counts as derived from where it came from itself. Whoever calls holds the lock that guards the ring.
#pragma once

#include "core/owner_of.hpp"

namespace cox::core {

class Derivation {
public:
    // Derived from nothing, and nothing from it. No lock is needed: nobody knows it.
    void stand_alone() {
        open_ = {.previous = &close_, .next = &close_};
        close_ = {.previous = &open_, .next = &open_};
    }

    void derive_from(Derivation& parent) {
        open_.previous = &parent.open_;
        open_.next = &close_;
        close_.previous = &open_;
        close_.next = parent.open_.next;
        open_.previous->next = &open_;
        close_.next->previous = &close_;
    }

    // The same, and what was derived from `parent` is derived from this one now.
    void derive_between(Derivation& parent) {
        derive_from(parent);            // parent ( this ( ) ... )
        remove(close_);                 // parent ( this ( ... )
        insert(close_, parent.close_);  // parent ( this ( ... ) )
    }

    void leave() {
        remove(open_);
        remove(close_);
    }

    // The newest one that was derived from this one itself; nullptr: there is none.
    [[nodiscard]] Derivation* newest_derived() const {
        return open_.next == &close_ ? nullptr : &owner_of<&Derivation::open_>(*open_.next);
    }

private:
    struct Bracket {
        Bracket* previous;
        Bracket* next;
    };

    static void insert(Bracket& bracket, Bracket& before) {
        bracket = {.previous = before.previous, .next = &before};
        bracket.previous->next = &bracket;
        before.previous = &bracket;
    }
    static void remove(Bracket& bracket) {
        bracket.previous->next = bracket.next;
        bracket.next->previous = bracket.previous;
    }

    Bracket open_;
    Bracket close_;
};

}  // namespace cox::core
