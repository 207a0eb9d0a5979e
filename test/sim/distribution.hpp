// SPDX-License-Identifier: MIT
//
// Distribution: how long something takes. Written `2ms`, `exp:2ms` (exponential, by its mean), `uniform:1ms..5ms`
// (both ends included), `mix:1ms,100ms,10%` (the second with that probability, else the first).
#pragma once

#include "random.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace sim {

// "10ms", "250us", "3s", "70ns", "0" -> nanoseconds.
[[nodiscard]] std::optional<std::uint64_t> parse_duration(std::string_view text);

struct Distribution {
    enum class Kind : std::uint8_t { kFixed, kExponential, kUniform, kMix };

    Kind kind = Kind::kFixed;
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::uint64_t percent = 0;

    [[nodiscard]] std::uint64_t sample(Random& random) const;
    [[nodiscard]] static std::optional<Distribution> parse(std::string_view text);
};

}  // namespace sim
