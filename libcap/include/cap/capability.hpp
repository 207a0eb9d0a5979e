// SPDX-License-Identifier: MIT
//
// What all typed capabilities share: a thin value around a slot of the own process. Copying one copies the
// name, not the right; after drop() every copy is stale. Operations go through cap_call and are safe from any
// thread.
#pragma once

#include "abi/calls.hpp"
#include "abi/types.hpp"
#include "cap/result.hpp"
#include "cap/syscall.hpp"

#include <cstdint>

namespace cap {

class Capability {
public:
    struct Identity {
        abi::ObjectType type;
        abi::Rights rights;
        std::uint64_t badge;  // 0: none
    };

    constexpr Capability() = default;
    constexpr explicit Capability(abi::CapSlot slot) : slot_(slot) {}

    [[nodiscard]] constexpr abi::CapSlot slot() const { return slot_; }
    [[nodiscard]] constexpr explicit operator bool() const { return static_cast<bool>(slot_); }

    [[nodiscard]] Result<Identity> identify() const;
    // A new slot for the same object, with these rights, which this one has, and with `badge` if that is not 0: WrongState, if
    // this one has another.
    [[nodiscard]] Result<abi::CapSlot> derive(abi::Rights rights, std::uint64_t badge = 0) const;
    // The calling thread's operation in flight on this object that was submitted with `user_data` completes with Cancelled.
    // WrongState: there is none, or it is just completing.
    [[nodiscard]] Result<void> cancel(std::uint64_t user_data) const {
        return invoke(abi::Op::kCancel, user_data);
    }
    // Empties all slots, of whatever process, that were derived from this one. If others derive meanwhile, they may be many.
    [[nodiscard]] Result<void> revoke() const;
    // Empties the slot. What it named lives on while others name it. Nothing to do about a failure.
    void drop() const { cap_call(slot_, abi::Op::kDrop); }

protected:
    template <class... Arguments>
    Result<std::uint64_t> call(abi::Op op, Arguments... arguments) const {
        return to_result(cap_call(slot_, op, arguments...).result);
    }
    // For operations that give nothing back.
    template <class... Arguments>
    Result<void> invoke(abi::Op op, Arguments... arguments) const {
        const auto result = call(op, arguments...);
        return result ? Result<void>() : fail(result.error());
    }

private:
    abi::CapSlot slot_;
};

}  // namespace cap
