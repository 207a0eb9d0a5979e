// SPDX-License-Identifier: MIT
//
// Owned<T>: drops a capability at the end of the scope, unless release() took it out. Internal to libcap.
#pragma once

namespace cap {

template <class T>
class Owned {
public:
    explicit Owned(T capability) : capability_(capability) {}
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    ~Owned() {
        if (capability_) {
            capability_.drop();
        }
    }

    const T* operator->() const { return &capability_; }
    const T& operator*() const { return capability_; }
    T release() {
        const T capability = capability_;
        capability_ = T();
        return capability;
    }

private:
    T capability_;
};

}  // namespace cap
