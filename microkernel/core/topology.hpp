// SPDX-License-Identifier: MIT
//
// Where a CPU stands, decoded from its CPUID leaves: which logical CPUs share its core, its last-level cache, its node (package).
//
// An x2APIC id is a number whose upper parts name the larger things: shifted right by a level's width, it names the instance of
// that level. So two CPUs share a level if their widths and their shifted ids are the same.
//
//     leaf 0x1F, else 0xB    per level: EAX 4..0 width, ECX 15..8 kind of level (1: SMT; 0: no more); EDX the x2APIC id
//     leaf 4, or with the topology extensions of AMD (0x80000001 ECX bit 22) 0x8000001D
//                            per cache: EAX 4..0 kind (0: no more, 1: data, 2: instructions, 3: both), 7..5 level,
//                            25..14 how many ids share it, less one
//
// What is missing is taken for the plainest: without 0x1F and 0xB each CPU is its own core and all share one cache and one node;
// without a cache's leaf the last-level cache is the node's. Levels are nested: a core lies in one cache, a cache in one node.
#pragma once

#include "abi/sched.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

namespace cox::core {

struct CpuidRegisters {
    std::uint32_t eax, ebx, ecx, edx;
};

struct CpuPlace {
    static constexpr std::uint8_t kAll = 32;  // width of a level that all CPUs share

    std::uint32_t id = 0;  // x2APIC id
    std::uint8_t core_width = 0, cache_width = kAll, node_width = kAll;

    friend constexpr bool operator==(CpuPlace, CpuPlace) = default;
};

// Cpuid: cpuid(leaf, subleaf) -> CpuidRegisters. Executed on the CPU that is meant.
template <class Cpuid>
CpuPlace read_place(const Cpuid& cpuid);

// The words for the CPUs' status lines: cores, caches and nodes are numbered from 0 in the order of the first CPU in them.
// `words` is as long as `places`, at most kMaxCpus.
void number_places(std::span<const CpuPlace> places, std::span<abi::TopologyWord> words);

namespace topology_detail {

inline constexpr std::uint32_t kMaxSubleaves =
    16;  // more than any CPU has: an answer without an end is given up

// Width of the node and the core by `leaf`; false: the leaf says nothing.
template <class Cpuid>
bool read_levels(const Cpuid& cpuid, std::uint32_t leaf, CpuPlace& place) {
    constexpr std::uint32_t kSmt = 1;
    std::uint8_t core = 0, node = 0;
    std::uint32_t subleaf = 0;
    for (; subleaf < kMaxSubleaves; ++subleaf) {
        const CpuidRegisters r = cpuid(leaf, subleaf);
        const std::uint32_t kind = r.ecx >> 8 & 0xff;
        if (kind == 0 || (r.ebx & 0xffff) == 0) break;
        const auto width = static_cast<std::uint8_t>(r.eax & 0x1f);
        if (kind == kSmt) core = width;
        node = std::max(node, width);
        place.id = r.edx;
    }
    if (subleaf == 0) return false;
    place.core_width = core;
    place.cache_width = place.node_width = node;
    return true;
}

// Width of the last-level cache by `leaf`; 0xff: the leaf says nothing.
template <class Cpuid>
std::uint8_t read_cache(const Cpuid& cpuid, std::uint32_t leaf) {
    constexpr std::uint32_t kInstructions = 2;
    std::uint8_t width = 0xff;
    std::uint32_t last = 0;
    for (std::uint32_t subleaf = 0; subleaf < kMaxSubleaves; ++subleaf) {
        const std::uint32_t eax = cpuid(leaf, subleaf).eax;
        if ((eax & 0x1f) == 0) break;
        const std::uint32_t level = eax >> 5 & 7;
        if ((eax & 0x1f) == kInstructions || level < last) continue;
        last = level;
        width = static_cast<std::uint8_t>(std::bit_width(eax >> 14 & 0xfff));  // up to a power of two
    }
    return width;
}

}  // namespace topology_detail

template <class Cpuid>
CpuPlace read_place(const Cpuid& cpuid) {
    using namespace topology_detail;
    constexpr std::uint32_t kTopologyExtensions = 1 << 22;
    CpuPlace place;
    const std::uint32_t basic = cpuid(0, 0).eax;
    const std::uint32_t extended = cpuid(0x80000000, 0).eax;
    if (!(basic >= 0x1f && read_levels(cpuid, 0x1f, place)) &&
        !(basic >= 0xb && read_levels(cpuid, 0xb, place))) {
        place.id = cpuid(1, 0).ebx >> 24;
        return place;
    }
    const bool amd = extended >= 0x8000001d && (cpuid(0x80000001, 0).ecx & kTopologyExtensions) != 0;
    const std::uint8_t cache = amd          ? read_cache(cpuid, 0x8000001d)
                               : basic >= 4 ? read_cache(cpuid, 4)
                                            : std::uint8_t{0xff};
    if (cache != 0xff) place.cache_width = std::clamp(cache, place.core_width, place.node_width);
    return place;
}

}  // namespace cox::core
