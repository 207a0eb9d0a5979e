// SPDX-License-Identifier: MIT
//
// In the place of sched-server/policies/registry.cpp: the policies of the test build of the server, none of which
// scales.
#include "registry.hpp"

#include "cap/format.hpp"

namespace sched {

Policy& make_one_cpu(PolicyStorage& storage);

namespace {

constexpr PolicyEntry kOneCpu{"one_cpu", make_one_cpu};

}  // namespace

std::span<const PolicyEntry> known_policies() { return {&kOneCpu, 1}; }

const PolicyEntry* find_policy(std::string_view name) { return name == kOneCpu.name ? &kOneCpu : nullptr; }

void print_unknown_policy(cap::LineWriter& line, std::string_view name) {
    line.print("error: policy \"{}\" unknown; known: {}", name, kOneCpu.name);
}

}  // namespace sched
