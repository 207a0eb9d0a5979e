// SPDX-License-Identifier: MIT
//
// HostileMind: an endless stream of operations with random arguments, from a seed: some made to succeed, some almost
// right, some nonsense. It remembers the capabilities that come of them, so as to use them again.
//
// What it does to itself it may do, but seldom: a process that dies at once tries nothing. And it makes nothing that
// would outlive its process for ever, which the kernel allows (docs/testing.md, "Hostile input"): processes that it
// creates itself get neither threads nor capabilities to processes; the two that the test gave it, and will kill, get
// both.
#pragma once

#include "abi/calls.hpp"
#include "abi/ring.hpp"
#include "abi/sched.hpp"
#include "abi/stats.hpp"
#include "cap/env.hpp"
#include "support/random.hpp"

#include <array>
#include <cstdint>

namespace test {

struct Operation {
    std::uint64_t op = 0;  // as it stands in RSI
    std::uint64_t slot = 0;
    std::array<std::uint64_t, 4> args{};
};

class HostileMind {
public:
    // `side_entry`: where threads that it creates in its own process may start, each on a stack of its own.
    HostileMind(const cap::Env& env, std::uint64_t seed, std::uint64_t side_entry);

    // `wide`: its number may have more than 16 bits.
    [[nodiscard]] Operation think(bool wide);
    // What came of it: the slot of a new capability is remembered, and to whom a reply is owed.
    void learn(const Operation& done, std::int64_t result);
    // A slot that came in a message. False: it names nothing.
    bool take_gift(std::uint64_t slot);
    // The oldest capability, to be dropped; 0: there is room for more.
    [[nodiscard]] std::uint64_t surplus();

    [[nodiscard]] std::uint64_t value();  // for any register
    [[nodiscard]] Random& random() { return random_; }

    static constexpr std::uint64_t kPlayground = 0x10'0000'0000;  // nothing of the program's lies here

private:
    static constexpr std::size_t kMaxKnown = 48;

    struct Known {
        std::uint64_t slot = 0;
        cox::abi::ObjectType type{};
        bool given = false;    // by the test
        bool own = false;      // process or thread: its own, or one that the test will kill
        bool foreign = false;  // it came in a message
    };

    void know(const cap::Env& env, std::string_view name, cox::abi::ObjectType type, bool own);
    [[nodiscard]] const Known& any_of(cox::abi::ObjectType type);
    [[nodiscard]] const Known* find(std::uint64_t slot) const;
    [[nodiscard]] std::uint64_t any_slot(std::uint64_t op);
    [[nodiscard]] std::uint64_t place();
    [[nodiscard]] std::array<std::uint64_t, 4> sound_arguments(std::uint64_t op);
    [[nodiscard]] std::array<std::uint64_t, 4> message(std::uint64_t op);
    void write_thread_params();
    void write_process_params();
    void restrain(Operation& operation);

    Random random_;
    std::uint64_t side_entry_;
    std::uint64_t cpus_;
    std::array<Known, kMaxKnown> known_{};
    std::size_t known_count_ = 0;
    std::size_t given_count_ = 0;
    std::uint64_t post_ = 0;                 // the endpoint that all have
    std::array<std::uint64_t, 8> tokens_{};  // of what was received through the ring last
    std::size_t token_count_ = 0;
    bool by_call_ = true;                                  // what it thinks of now
    alignas(64) std::array<std::uint64_t, 24> scratch_{};  // what the kernel reads, and overwrites
    static_assert(sizeof scratch_ >= sizeof(cox::abi::CpuStats) &&
                  sizeof scratch_ >= sizeof(cox::abi::WakeLedger));
};

}  // namespace test
