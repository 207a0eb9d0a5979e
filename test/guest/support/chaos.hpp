// SPDX-License-Identifier: MIT
//
// Chaos: three processes in the domain with token rings across them, mayflies, meddlers and processes that come and go, for
// a time; then all of it is brought to an end, and accounted for. Who places the threads is the test's business. It can be
// run several times, and takes nothing more after the first.
#pragma once

#include "cap/joining_thread.hpp"
#include "support/mayflies.hpp"
#include "support/meddler.hpp"
#include "support/token_ring.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace test {

class Chaos {
public:
    static constexpr std::size_t kCrews = 3;
    static constexpr std::size_t kMaxRings = 8;

    // `left_out_from`: from this hop of the first ring on, its members wake nobody.
    Chaos(Case& t, DomainServer& server, std::size_t rings, std::uint64_t left_out_from = 0);
    ~Chaos();

    void run(std::uint64_t duration_ns);
    // All that there is to happen has happened.
    [[nodiscard]] bool exercised() const { return exercised_; }

    // Which ring has not moved for so long; kMaxRings: none.
    [[nodiscard]] std::size_t standing_still(std::uint64_t patience_ns);
    // With rings, and nothing else, and no end.
    void start_rings();

private:
    struct Commons {
        std::array<TokenRing, kMaxRings> rings;
        std::array<std::array<Patch, kCrews>, kMaxRings> patches;
        std::array<MayflyLife, Mayflies::kSeats> lives;
        std::array<Meddler, kCrews> meddlers;
    };

    void make();
    void make_patch(Patch& patch, Crew& crew);
    void start_meddlers();
    void stop_meddlers();
    void let_a_process_come_and_go();
    void stop_rings();
    void check(const TokenRing& ring, std::span<Worker*> workers);
    void fail_with_who_stands_still(std::size_t ring);

    Case& t_;
    DomainServer& server_;
    Random random_;
    std::size_t rings_;
    std::uint64_t left_out_from_;
    cap::Memory memory_;
    Commons* commons_ = nullptr;
    std::array<std::optional<Crew>, kCrews> crews_;
    std::array<abi::CapSlot, kCrews> own_process_;  // in each crew's own table
    std::array<std::array<Worker*, TokenRing::kMembers>, kMaxRings> members_{};
    std::array<Worker*, kCrews> meddler_workers_{};
    std::array<Meddler, 2> siblings_;
    std::array<cap::JoiningThread, 2> sibling_threads_;
    std::array<std::uint64_t, kMaxRings> hops_seen_{};
    std::array<std::uint64_t, kMaxRings> moved_at_{};
    Mayflies mayflies_;
    std::uint64_t processes_ = 0;
    bool exercised_ = false;
};

}  // namespace test
