// SPDX-License-Identifier: MIT
//
// Recorder: a policy that passes everything on to another one and writes it down (recording.hpp): what the policy is told,
// every field of every task that it knows and that has changed, and what it answers. The same policy, given this again, must
// give the same answers (test/sim/replay.hpp). When the pages are full it stops, so what is kept is whole up to there, and
// counts the calls that it did not keep.
//
// Each record costs one look at every task that the policy knows. Calls come one at a time, as for every policy.
#pragma once

#include "policy.hpp"
#include "recording.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace sched {

class Recorder final : public Policy {
public:
    // `policy` has been started, on this machine, and knows no task yet; what the CPUs share may still become known. The pages are zero; `id` tells this recording from
    // others in the same memory.
    Recorder(Policy& policy, const Machine& machine, std::span<RecordPage> pages, std::uint64_t id);

    [[nodiscard]] std::string_view name() const override { return policy_.name(); }
    void enqueue(Task& task, abi::Cause cause, std::uint64_t now_ns) override;
    [[nodiscard]] std::optional<Pick> pick_next(std::uint32_t cpu, std::uint64_t now_ns) override;
    void remove(Task& task) override;
    void stopped(Task& task, abi::Cause cause, std::uint64_t now_ns) override;
    void adopt(Task& task, std::uint64_t now_ns) override;
    void affinity_changed(Task& task, std::uint64_t now_ns) override;
    void gone(Task& task, std::uint64_t now_ns) override;
    [[nodiscard]] bool inherits() const override { return policy_.inherits(); }
    [[nodiscard]] bool claims_before(const Task& a, const Task& b) const override {
        return policy_.claims_before(a, b);
    }
    void donor_changed(Task& task, std::uint64_t now_ns) override;
    [[nodiscard]] std::uint32_t depth() const override;
    [[nodiscard]] bool feeds_idle() const override;
    [[nodiscard]] std::uint64_t may_idle_ns() const override { return policy_.may_idle_ns(); }
    [[nodiscard]] std::optional<std::uint32_t> preempt(std::uint64_t now_ns) override;
    [[nodiscard]] Task* recall(std::uint64_t now_ns) override;
    [[nodiscard]] std::uint64_t next_tick_ns() const override;
    void tick(std::uint64_t now_ns) override;
    [[nodiscard]] std::span<const Parameter> parameters() override { return policy_.parameters(); }
    void cpu_taken(std::uint32_t cpu, std::uint64_t now_ns) override;
    void cpu_returned(std::uint32_t cpu, std::uint64_t now_ns) override;
    void statistics(Report& report) const override { policy_.statistics(report); }
    void dump(Report& report) const override { policy_.dump(report); }

private:
    static constexpr std::size_t kParameters = 16;
    static constexpr std::uint32_t kUnknown = ~std::uint32_t{0};

    // What was written of the task in a line last.
    struct Seen {
        RecordEntry entry;
        const Task* task = nullptr;
        std::uint32_t known_at = kUnknown;  // in known_, while the policy knows the task
    };

    // What is written is what the policy could see before the call; answers are written behind it.
    void prepare() const;
    void begin() const;
    void write(const RecordEntry& entry) const;
    void write_parameters() const;
    void write_task(const Task& task) const;
    void learn(const Task& task);
    void forget(const Task& task);

    Policy& policy_;
    std::span<RecordPage> pages_;
    Machine machine_;
    // Written by const members, too: whoever asks for depth() does not know that it is written down.
    mutable bool begun_ = false;
    mutable std::size_t page_ = 0;
    mutable std::array<Seen, abi::kMaxThreads> seen_;
    mutable std::array<std::uint64_t, kParameters> parameters_{};
    mutable std::uint64_t next_tick_ns_ = 0;
    mutable std::uint32_t depth_ = 0;
    mutable std::optional<bool> feeds_idle_;
    std::array<std::uint16_t, abi::kMaxThreads> known_;  // lines
    std::uint32_t known_count_ = 0;
};

}  // namespace sched
