// SPDX-License-Identifier: MIT
#include "core/topology.hpp"

namespace cox::core {

namespace {

bool shares(const CpuPlace& a, const CpuPlace& b, std::uint8_t CpuPlace::* width) {
    // In 64 bits: a width of 32 leaves nothing of the id.
    return a.*width == b.*width && std::uint64_t{a.id} >> a.*width == std::uint64_t{b.id} >> b.*width;
}

// Calls number(cpu, n) for each CPU: n is that of the first that shares the level with it, or the next one.
template <class Number>
void number_level(std::span<const CpuPlace> places, std::uint8_t CpuPlace::* width, const Number& number) {
    std::uint16_t numbers[abi::kMaxCpus];
    std::uint16_t next = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
        std::size_t first = 0;
        while (first < i && !shares(places[first], places[i], width)) ++first;
        numbers[i] = first < i ? numbers[first] : next++;
        number(i, numbers[i]);
    }
}

}  // namespace

void number_places(std::span<const CpuPlace> places, std::span<abi::TopologyWord> words) {
    std::ranges::fill(words, abi::TopologyWord{});
    number_level(places, &CpuPlace::core_width,
                 [&](std::size_t i, std::uint16_t n) { words[i].raw |= std::uint64_t{n}; });
    number_level(places, &CpuPlace::cache_width,
                 [&](std::size_t i, std::uint16_t n) { words[i].raw |= std::uint64_t{n} << 16; });
    number_level(places, &CpuPlace::node_width,
                 [&](std::size_t i, std::uint16_t n) { words[i].raw |= std::uint64_t{n} << 32; });
}

}  // namespace cox::core
