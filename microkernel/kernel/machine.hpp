// SPDX-License-Identifier: MIT
// The machine as a whole: what a capability of type kMachine names, and how a run ends.
#pragma once
#include "abi/calls.hpp"
#include "kernel/object.hpp"

namespace cox {

class Machine final : public Object {
public:
    static constexpr abi::ObjectType kType = abi::ObjectType::kMachine;
    Machine() : Object(kType) {}

private:
    void destroy() override {}
};
extern Machine the_machine;

[[noreturn]] void power_off(abi::ExitCode code);

}  // namespace cox
