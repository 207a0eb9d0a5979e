// SPDX-License-Identifier: MIT
//
// The objects of the manifest, created when they are first asked for, and the capabilities that the root task
// holds from the start, all by name.
#pragma once

#include "cap/env.hpp"
#include "root/manifest.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace root {

class Objects {
public:
    // The object that instance `index` of a program gets under that name.
    [[nodiscard]] cap::Result<cap::abi::CapSlot> get(const cap::Env& env,
                                                     const cox::manifest::Manifest& manifest,
                                                     std::string_view name, std::uint64_t index);

private:
    std::array<std::array<cap::abi::CapSlot, cox::manifest::kMaxInstances>, cox::manifest::kMaxObjects>
        slots_{};
};

}  // namespace root
