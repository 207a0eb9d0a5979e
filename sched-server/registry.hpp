// SPDX-License-Identifier: MIT
//
// The table of policies by name. Each policies/<name>.cpp defines sched::make_<name>(), which constructs its policy
// in storage given to it; the build writes the table from the files' names (coxswain_policy_table() in
// cmake/CoxswainGuest.cmake), so there is no list to be edited.
#pragma once

#include "policy.hpp"

#include <cstddef>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>

namespace cap {
class LineWriter;
}

namespace sched {

struct PolicyStorage {
    alignas(64) std::byte bytes[65536];
};

using MakePolicy = Policy& (*)(PolicyStorage& storage);

struct PolicyEntry {
    std::string_view name;
    MakePolicy make;
};

// A member that T has not overridden is of the type of Policy's. One that cannot be looked at, since it is private, counts as overridden.
template <class T>
constexpr Questions questions_of() {
    constexpr auto same = []<class U, class V>(U, V) { return std::is_same_v<U, V>; };
    Questions questions;
    if constexpr (requires { &T::next_tick_ns; }) {
        questions.next_tick = !same(&T::next_tick_ns, &Policy::next_tick_ns);
    }
    if constexpr (requires { &T::preempt; }) {
        questions.preempt = !same(&T::preempt, &Policy::preempt);
    }
    if constexpr (requires { &T::recall; }) {
        questions.recall = !same(&T::recall, &Policy::recall);
    }
    return questions;
}

template <class T>
Policy& construct_policy(PolicyStorage& storage) {
    static_assert(sizeof(T) <= sizeof(storage.bytes));
    static_assert(std::is_trivially_destructible_v<T>);  // nobody destroys it
    T& policy = *new (storage.bytes) T();
    policy.questions = questions_of<T>();
    return policy;
}

// In alphabetical order.
[[nodiscard]] std::span<const PolicyEntry> known_policies();

// nullptr if there is none of that name.
[[nodiscard]] const PolicyEntry* find_policy(std::string_view name);

// `error: policy "X" unknown; known: fifo round_robin`
void print_unknown_policy(cap::LineWriter& line, std::string_view name);

}  // namespace sched
