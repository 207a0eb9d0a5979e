// SPDX-License-Identifier: MIT
//
// Random: numbers from a seed, the same on every machine and with every library (splitmix64, and a logarithm of
// additions, multiplications and divisions alone).
#pragma once

#include <bit>
#include <cstdint>

namespace sim {

// -ln(x) for 0 < x <= 1, with an error below 1e-13 of itself or of 1.
inline double minus_log(double x) {
    constexpr double kLn2 = 0.693147180559945309417;
    const auto bits = std::bit_cast<std::uint64_t>(x);
    auto exponent = static_cast<std::int64_t>(bits >> 52) - 1022;
    double mantissa = std::bit_cast<double>((bits & 0xf'ffff'ffff'ffff) | std::uint64_t{1022} << 52);
    if (mantissa < 0.75) {
        mantissa *= 2;
        --exponent;
    }
    const double s = (mantissa - 1) / (mantissa + 1);  // |s| <= 1/5: ln(m) = 2 (s + s^3/3 + s^5/5 + ...)
    const double square = s * s;
    double sum = 0;
    for (int n = 21; n >= 1; n -= 2) {
        sum = sum * square + 1.0 / n;
    }
    return -(2 * s * sum + static_cast<double>(exponent) * kLn2);
}

class Random {
public:
    explicit Random(std::uint64_t seed = 0) : state_(seed) {}

    std::uint64_t next() {
        state_ += 0x9e37'79b9'7f4a'7c15;
        std::uint64_t z = state_;
        z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
        z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
        return z ^ z >> 31;
    }
    // 0 <= result < limit; limit > 0.
    std::uint64_t below(std::uint64_t limit) {
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::uint64_t>(Wide{next()} * limit >> 64);
    }
    // 0 < result <= 1.
    double unit() { return static_cast<double>((next() >> 11) + 1) * 0x1p-53; }

private:
    std::uint64_t state_;
};

}  // namespace sim
