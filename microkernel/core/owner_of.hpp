// SPDX-License-Identifier: MIT
//
// owner_of<&T::node>(node): the T that a node is a member of. The caller vouches that it is that member; with
// an InboxNode its kind says so. Relies on the Itanium C++ ABI, where a pointer to a data member is the
// member's offset.
#pragma once

#include <bit>
#include <cstddef>

namespace cox::core {

namespace detail {

template <class Member>
struct MemberOf;

template <class Owner, class Node>
struct MemberOf<Node Owner::*> {
    using OwnerType = Owner;
    using NodeType = Node;
};

}  // namespace detail

template <auto Member>
[[nodiscard]] auto& owner_of(typename detail::MemberOf<decltype(Member)>::NodeType& node) {
    using Owner = typename detail::MemberOf<decltype(Member)>::OwnerType;
    static_assert(sizeof(Member) == sizeof(std::ptrdiff_t));
    const auto offset = std::bit_cast<std::ptrdiff_t>(Member);
    return *reinterpret_cast<Owner*>(reinterpret_cast<std::byte*>(&node) - offset);
}

}  // namespace cox::core
