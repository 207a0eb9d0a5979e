// SPDX-License-Identifier: MIT
//
// NamedNumbers: a policy's statistics by name. A name that is not there throws.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "policy.hpp"

namespace test {

class NamedNumbers final : public sched::Report {
public:
    explicit NamedNumbers(const sched::Policy& policy) { policy.statistics(*this); }
    void number(std::string_view name, std::uint64_t value) override { numbers_[std::string(name)] = value; }
    std::uint64_t at(std::string_view name) const { return numbers_.at(std::string(name)); }

private:
    std::map<std::string, std::uint64_t> numbers_;
};

}  // namespace test
