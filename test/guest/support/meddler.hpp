// SPDX-License-Identifier: MIT
//
// Meddler: a thread that suspends, resumes and moves others, at random. Its last act to each is to resume it, so when all
// meddlers have stopped nobody is suspended. One of the server's process also recalls them, and writes hints, right ones
// and wrong ones. A meddler of the domain is itself placed by the server.
#pragma once

#include "support/domain_server.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace test {

struct Meddler {
    static constexpr std::size_t kTargets = 48;

    std::uint64_t seed = 0;
    std::uint64_t cpus = 0;
    std::array<abi::CapSlot, kTargets> targets;  // threads, in the meddler's own table
    std::size_t count = 0;
    DomainServer* server = nullptr;  // of the own process, or none
    alignas(64) std::atomic<bool> stop{false};
    std::atomic<bool> stopped{false};
    std::atomic<std::uint64_t> suspended{0}, moved{0}, recalled{0}, hinted{0}, refused{0};
};

// `argument` is the Meddler. Drops the capabilities to its targets at the end.
std::uint64_t meddle(Station& station, cap::Ring& ring);
std::uint64_t meddle_as_sibling(cap::Ring& ring, void* argument);

}  // namespace test
