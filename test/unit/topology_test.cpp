// SPDX-License-Identifier: MIT
//
// CPUID leaves as CPUs give them, and what is made of them: widths, and the numbers of cores, caches and nodes.
#include "core/topology.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <utility>
#include <vector>

using cox::abi::TopologyWord;
using cox::core::CpuidRegisters;
using cox::core::CpuPlace;
using cox::core::number_places;
using cox::core::read_place;

namespace {

constexpr std::uint32_t kData = 1, kInstructions = 2, kUnified = 3;

// A CPU: what it answers. Leaves that are not there answer zeros.
class FakeCpu {
public:
    FakeCpu(std::uint32_t basic, std::uint32_t extended) {
        set(0, 0, {basic, 0, 0, 0});
        set(0x80000000, 0, {extended, 0, 0, 0});
    }
    FakeCpu& set(std::uint32_t leaf, std::uint32_t subleaf, CpuidRegisters registers) {
        answers_[{leaf, subleaf}] = registers;
        return *this;
    }
    FakeCpu& level(std::uint32_t leaf, std::uint32_t subleaf, std::uint32_t kind, std::uint32_t width,
                   std::uint32_t id) {
        return set(leaf, subleaf, {width, 1U << width, kind << 8 | subleaf, id});
    }
    FakeCpu& cache(std::uint32_t leaf, std::uint32_t subleaf, std::uint32_t kind, std::uint32_t level,
                   std::uint32_t sharing) {
        return set(leaf, subleaf, {kind | level << 5 | (sharing - 1) << 14, 0, 0, 0});
    }
    CpuidRegisters operator()(std::uint32_t leaf, std::uint32_t subleaf) const {
        const auto found = answers_.find({leaf, subleaf});
        return found == answers_.end() ? CpuidRegisters{} : found->second;
    }

private:
    std::map<std::pair<std::uint32_t, std::uint32_t>, CpuidRegisters> answers_;
};

// As QEMU 7.2 shows `-cpu max -smp sockets=2,cores=2,threads=2`.
FakeCpu qemu(std::uint32_t id) {
    FakeCpu cpu(0xd, 0x8000000a);
    cpu.set(1, 0, {0x663, id << 24 | 4 << 16 | 0x800, 0, 0});
    cpu.set(4, 0, {0x04004121, 0, 0, 0}).set(4, 1, {0x04004122, 0, 0, 0});
    cpu.set(4, 2, {0x04004143, 0, 0, 0}).set(4, 3, {0x0400c163, 0, 0, 0});
    cpu.set(0xb, 0, {1, 2, 0x100, id}).set(0xb, 1, {2, 4, 0x201, id}).set(0xb, 2, {0, 0, 2, id});
    return cpu;
}

// A server of AMD's with two packages of two dies of four cores of two threads; the last-level cache is a die's.
FakeCpu amd(std::uint32_t id) {
    FakeCpu cpu(0x10, 0x80000020);
    cpu.set(0x80000001, 0, {0, 0, 1 << 22, 0});
    cpu.level(0xb, 0, 1, 1, id).level(0xb, 1, 2, 4, id).set(0xb, 2, {0, 0, 2, id});
    cpu.cache(0x8000001d, 0, kData, 1, 2).cache(0x8000001d, 1, kInstructions, 1, 2);
    cpu.cache(0x8000001d, 2, kUnified, 2, 2).cache(0x8000001d, 3, kUnified, 3, 8);
    return cpu;
}

std::vector<TopologyWord> words_of(const std::vector<CpuPlace>& places) {
    std::vector<TopologyWord> words(places.size());
    number_places(places, words);
    return words;
}

struct Numbers {
    std::uint32_t core, cache, node;
    friend bool operator==(Numbers, Numbers) = default;
};

std::vector<Numbers> numbers_of(const std::vector<CpuPlace>& places) {
    std::vector<Numbers> numbers;
    for (const TopologyWord word : words_of(places)) {
        numbers.push_back({word.core(), word.cache(), word.node()});
    }
    return numbers;
}

}  // namespace

TEST_CASE("topology: QEMU with two sockets of two cores of two threads") {
    std::vector<CpuPlace> places;
    for (std::uint32_t id = 0; id < 8; ++id) {
        CHECK(read_place(qemu(id)) == CpuPlace{id, 1, 2, 2});
        places.push_back(read_place(qemu(id)));
    }
    CHECK(numbers_of(places) ==
          std::vector<Numbers>{
              {0, 0, 0}, {0, 0, 0}, {1, 0, 0}, {1, 0, 0}, {2, 1, 1}, {2, 1, 1}, {3, 1, 1}, {3, 1, 1}});
}

TEST_CASE("topology: the order of the CPUs gives the numbers, not their ids") {
    CHECK(numbers_of({read_place(qemu(6)), read_place(qemu(1)), read_place(qemu(7)), read_place(qemu(0))}) ==
          std::vector<Numbers>{{0, 0, 0}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}});
}

TEST_CASE("topology: a cache of the die, within a package of AMD's") {
    std::vector<CpuPlace> places;
    for (std::uint32_t id = 0; id < 32; ++id) {
        CHECK(read_place(amd(id)) == CpuPlace{id, 1, 3, 4});
        places.push_back(read_place(amd(id)));
    }
    const auto numbers = numbers_of(places);
    for (std::uint32_t id = 0; id < 32; ++id) {
        CHECK(numbers[id] == Numbers{id / 2, id / 8, id / 16});
    }
}

TEST_CASE("topology: AMD's leaf counts only with the extension") {
    auto cpu = amd(5).set(0x80000001, 0, {}).cache(4, 0, kUnified, 2, 2);
    CHECK(read_place(cpu) == CpuPlace{5, 1, 1, 4});
}

TEST_CASE("topology: one CPU") {
    FakeCpu cpu(0xb, 0);
    cpu.level(0xb, 0, 1, 0, 0).level(0xb, 1, 2, 0, 0).cache(4, 0, kUnified, 2, 1);
    CHECK(read_place(cpu) == CpuPlace{0, 0, 0, 0});
    CHECK(words_of({read_place(cpu)}) == std::vector{TopologyWord{}});
}

TEST_CASE("topology: leaf 0x1F goes before 0xB, with more levels than those") {
    FakeCpu cpu(0x1f, 0);
    cpu.level(0xb, 0, 1, 1, 77).level(0xb, 1, 2, 4, 77);
    cpu.level(0x1f, 0, 1, 1, 77).level(0x1f, 1, 2, 3, 77).level(0x1f, 2, 5, 5, 77);
    cpu.cache(4, 0, kUnified, 3, 8);
    CHECK(read_place(cpu) == CpuPlace{77, 1, 3, 5});
    CHECK(read_place(cpu.set(0x1f, 0, {})) == CpuPlace{77, 1, 3, 4});  // there, and empty
}

TEST_CASE("topology: without the levels' leaves each CPU is a core, in one cache and one node") {
    std::vector<CpuPlace> places;
    for (std::uint32_t id : {0U, 3U, 200U}) {
        FakeCpu cpu(4, 0x80000008);
        cpu.set(1, 0, {0, id << 24, 0, 0}).cache(4, 0, kUnified, 2, 2);
        CHECK(read_place(cpu) == CpuPlace{id, 0, CpuPlace::kAll, CpuPlace::kAll});
        places.push_back(read_place(cpu));
    }
    CHECK(numbers_of(places) == std::vector<Numbers>{{0, 0, 0}, {1, 0, 0}, {2, 0, 0}});
}

TEST_CASE("topology: without the caches' leaf the last-level cache is the node's") {
    auto cpu = qemu(5);
    for (std::uint32_t i = 0; i < 4; ++i) cpu.set(4, i, {});
    CHECK(read_place(cpu) == CpuPlace{5, 1, 2, 2});
}

TEST_CASE("topology: levels are nested, and answers end") {
    auto small = qemu(5);  // its last level of cache is said to be less than a core's
    small.cache(4, 3, kUnified, 3, 1);
    CHECK(read_place(small) == CpuPlace{5, 1, 1, 2});
    auto large = qemu(5);
    large.cache(4, 3, kUnified, 3, 4096);
    CHECK(read_place(large) == CpuPlace{5, 1, 2, 2});
    const auto endless = [](std::uint32_t, std::uint32_t) { return CpuidRegisters{~0U, ~0U, ~0U, ~0U}; };
    CHECK(read_place(endless) == CpuPlace{~0U, 0, 12, 31});
}

TEST_CASE("topology: a cache that is not shared by a power of two counts as the next one") {
    auto cpu = qemu(5);
    cpu.cache(4, 3, kUnified, 3, 3);
    CHECK(read_place(cpu) == CpuPlace{5, 1, 2, 2});
}

TEST_CASE("topology: CPUs of different kinds share nothing where their widths differ") {
    CHECK(numbers_of({CpuPlace{0, 1, 3, 4}, CpuPlace{1, 0, 3, 4}}) ==
          std::vector<Numbers>{{0, 0, 0}, {1, 0, 0}});
}

TEST_CASE("topology: ids need not be dense or small") {
    CHECK(numbers_of({CpuPlace{0x7fff0000, 1, 4, 8}, CpuPlace{0xffffffff, 1, 4, 31},
                      CpuPlace{0x7fff0001, 1, 4, 8}, CpuPlace{0x80000000, 1, 4, 31}}) ==
          std::vector<Numbers>{{0, 0, 0}, {1, 1, 1}, {0, 0, 0}, {2, 2, 1}});
}
