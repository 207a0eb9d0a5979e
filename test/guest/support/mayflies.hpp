// SPDX-License-Identifier: MIT
//
// Mayflies: threads that are made, suspended, moved, killed and joined in any order, while they run, spin, park, wait and
// hold operations in flight. Each that was made is joined once, with the exit code that it must have.
#pragma once

#include "support/crew.hpp"
#include "support/random.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace test {

struct MayflyLife {
    enum class Kind : std::uint32_t {
        kEnds,
        kEndsWithWait,
        kSpins,
        kParks,
        kParksShortly,
        kWaits,
        kHangs,
        kCount
    };

    Kind kind = Kind::kEnds;
    std::uint64_t number = 0;
    abi::CapSlot process;
    std::atomic<std::uint32_t> word{0};  // that nobody unparks
};

class Mayflies {
public:
    static constexpr std::size_t kSeats = 12;

    Mayflies(Case& t, std::uint64_t seed) : t_(t), random_(seed) {}

    // A seat in that crew, whose own slot for its process is `process`. `life` lies where the crew sees it.
    void add(Crew& crew, abi::CapSlot process, MayflyLife& life);

    // Does something to one of them, and takes what has ended.
    void step();
    // Kills and joins all.
    void finish();

    [[nodiscard]] std::uint64_t made() const { return made_; }
    [[nodiscard]] std::uint64_t joined() const { return joined_; }
    [[nodiscard]] std::uint64_t killed() const { return killed_; }

private:
    struct Seat {
        Crew* crew = nullptr;
        Worker* worker = nullptr;
        MayflyLife* life = nullptr;
        bool alive = false, joining = false, kill_asked = false;
    };

    void make(Seat& seat);
    void trouble(Seat& seat);
    void join(Seat& seat);
    void take_joined();

    Case& t_;
    Random random_;
    std::array<Seat, kSeats> seats_;
    std::size_t count_ = 0;
    std::uint64_t made_ = 0, joined_ = 0, killed_ = 0;
};

}  // namespace test
