// SPDX-License-Identifier: MIT
//
// Report: a workload's one record, gathered field by field. Used by the workload's main thread alone.
#pragma once

#include "cap/env.hpp"
#include "cap/machine.hpp"
#include "workload/histogram.hpp"

#include <cstdint>
#include <string_view>
#include <type_traits>

namespace workload {

namespace abi = cox::abi;

class Report {
public:
    Report(const cap::Env& env, cap::Machine machine) : env_(env), machine_(machine) {}

    // The timed section, with the kernel's accounting right before and right after it.
    [[nodiscard]] cap::Result<void> begin();
    // `operations`: of the workload's kind, for the throughput.
    [[nodiscard]] cap::Result<void> end(std::uint64_t operations);
    [[nodiscard]] std::uint64_t section_ticks() const { return ticks_; }
    [[nodiscard]] std::uint64_t began() const { return began_; }

    // NAME_count and NAME_p50, _p90, _p99, _p999, _max in ns and in ticks, of a histogram of ticks.
    void series(std::string_view name, const Histogram& histogram);
    void value(std::string_view name, std::uint64_t value) { fields_.print(" {}={}", name, value); }

    // The result is wrong; the first reason stands in the record.
    template <class... Args>
    void wrong(cap::FormatString<std::type_identity_t<Args>...> text, const Args&... args) {
        if (reason_.view().empty()) {
            reason_.print(text, args...);
        }
    }
    template <class... Args>
    void check(bool right, cap::FormatString<std::type_identity_t<Args>...> text, const Args&... args) {
        if (!right) {
            wrong(text, args...);
        }
    }

    // Writes the record. -> whether the result was right.
    bool write(std::string_view name, std::string_view size, std::uint64_t seed);

private:
    struct Accounting {
        std::uint64_t commits = 0, server_dispatches = 0, fallback_dispatches = 0, agent_dispatches = 0;
    };
    [[nodiscard]] cap::Result<Accounting> accounting() const;

    const cap::Env& env_;
    cap::Machine machine_;
    Accounting before_{};
    Accounting used_{};
    std::uint64_t began_ = 0;
    std::uint64_t ticks_ = 0;
    std::uint64_t operations_ = 0;
    bool ended_ = false;
    cap::LineBuffer<640> fields_;
    cap::LineBuffer<120> reason_;
};

}  // namespace workload
