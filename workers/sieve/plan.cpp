// SPDX-License-Identifier: MIT
#include "sieve/plan.hpp"

#include "sieve/mix.hpp"

#include <array>
#include <utility>

namespace cox::sieve {

std::uint32_t share_of(std::uint32_t worker, std::uint32_t workers, std::uint64_t seed) {
    std::array<std::uint8_t, kMaxWorkers> shares{};
    for (std::uint32_t i = 0; i < workers; ++i) {
        shares[i] = static_cast<std::uint8_t>(i);
    }
    if (seed != 0) {
        for (std::uint32_t i = workers - 1; i > 0; --i) {
            std::swap(shares[i], shares[mix(seed + i) % (i + 1)]);
        }
    }
    return shares[worker];
}

}  // namespace cox::sieve
