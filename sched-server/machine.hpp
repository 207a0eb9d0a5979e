// SPDX-License-Identifier: MIT
//
// Machine: what a policy is told of the CPUs. Equal numbers mean sharing: two CPUs with one `core` are its
// hyper-threads, with one `cache` they share the last-level cache, with one `node` the memory controller.
// Where the machine says nothing, every CPU is a core of its own and there is one cache and one node.
#pragma once

#include <cstdint>
#include <span>

namespace sched {

// So many at most; the kernel has up to abi::kMaxCpus, the rest is for simulations.
inline constexpr std::uint32_t kPolicyCpus = 1024;

struct CpuPlace {
    std::uint16_t core = 0;
    std::uint16_t cache = 0;
    std::uint16_t node = 0;
    bool served = false;  // the policy places threads there; changes with cpu_taken() and cpu_returned()
};

// Look when it matters rather than once: what CPUs share becomes known only when the server has attached, just before the first
// adopt() or enqueue().
struct Machine {
    std::span<const CpuPlace> cpus;  // by number; stays valid as long as the policy
};

}  // namespace sched
