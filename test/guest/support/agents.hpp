// SPDX-License-Identifier: MIT
//
// Agents: a DomainServer with a running agent on each CPU, or on some, which places whatever it hears of.
//
//     kPlain  where the thread ran last, or else on the first CPU that it may use; no slices
//     kChaos  anywhere that it may run, with some slice and any flags, often late, often to two CPUs at once; threads are
//             recalled for no reason
//     (a thread that may use no CPU of the domain is left alone until one is returned)
//     kHints  as kChaos, and threads are given hints and deprived of them: one that never waits may stay where it is
#pragma once

#include "support/domain_server.hpp"
#include "support/random.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace test {

enum class Manner : std::uint8_t { kPlain, kChaos, kHints };

class Agents {
public:
    // Of the root domain, or of another one.
    Agents(Case& t, Manner manner, std::uint64_t cpus = kAllCpus, cap::SchedDomain domain = {});
    ~Agents();
    Agents(const Agents&) = delete;
    Agents& operator=(const Agents&) = delete;

    [[nodiscard]] DomainServer& server() { return *server_; }
    [[nodiscard]] std::uint64_t accepted() const { return accepted_.load(); }
    [[nodiscard]] std::uint64_t refused() const { return refused_.load(); }
    // Of two commits with the same sequence number both were accepted: never.
    [[nodiscard]] std::uint64_t accepted_twice() const { return accepted_twice_.load(); }

private:
    // What one agent's thread works with.
    struct Seat {
        Seat(Agents& all, std::uint32_t its_cpu, std::uint64_t seed)
            : agents(all), cpu(its_cpu), random(seed) {}
        Agents& agents;
        std::uint32_t cpu;
        Random random;
        std::array<std::uint32_t, 64> late{};  // lines to be looked at again
        std::size_t late_count = 0;
    };

    static std::uint64_t run(cap::Ring& ring, void* argument);
    void look(Seat& seat, std::uint32_t index);
    void look_at_cpu(Seat& seat, std::uint32_t index);
    void place_anywhere(Seat& seat, const Line& line, std::uint64_t usable);
    bool commit(const Line& line, std::uint32_t cpu, std::uint32_t flags, std::uint64_t slice_ns);
    [[nodiscard]] std::uint32_t any_cpu(Random& random, std::uint64_t usable) const;
    using Seats = std::array<std::optional<Seat>, abi::kMaxCpus>;
    struct Storage {
        bool in_use = false;
        Seats seats;
    };
    static Storage& free_storage();

    Manner manner_;
    std::uint32_t cpus_;
    std::atomic<std::uint64_t> accepted_{0};
    std::atomic<std::uint64_t> refused_{0};
    std::atomic<std::uint64_t> accepted_twice_{0};
    std::atomic<bool> stranded_{false};  // some thread was left alone
    Storage& storage_;
    Seats& seats_;
    std::optional<DomainServer> server_;  // its end is the agents' end
};

}  // namespace test
