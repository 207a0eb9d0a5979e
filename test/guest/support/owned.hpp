// SPDX-License-Identifier: MIT
//
// Owned: drops a capability at the end of the scope, so that a case that gives up leaves none behind.
#pragma once

#include "cap/capability.hpp"

#include <utility>

namespace test {

template <class T>
class Owned {
public:
    Owned() = default;
    explicit Owned(T capability) : capability_(capability) {}
    Owned(Owned&& other) noexcept : capability_(std::exchange(other.capability_, T())) {}
    Owned& operator=(Owned&& other) noexcept {
        std::swap(capability_, other.capability_);
        return *this;
    }
    ~Owned() {
        if (capability_) {
            capability_.drop();
        }
    }

    const T* operator->() const { return &capability_; }
    const T& operator*() const { return capability_; }

private:
    T capability_;
};

// A capability of the own table for the same object with `rights` at most.
template <class T>
cap::Result<Owned<T>> derive(const T& from, cox::abi::Rights rights) {
    const auto slot = from.derive(rights);
    return slot ? cap::Result<Owned<T>>(Owned<T>(T(*slot))) : cox::core::fail(slot.error());
}

}  // namespace test
