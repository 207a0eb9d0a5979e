// SPDX-License-Identifier: MIT
//
// What test/hostile and the test that starts it share: one page, mapped by both.
#pragma once

#include <atomic>
#include <cstdint>

namespace test {

struct HostilePage {
    std::atomic<std::uint64_t> calls;        // system calls made
    std::atomic<std::uint64_t> submissions;  // entries that the kernel took from rings
    // What has come by way of endpoints: messages and replies, and of the slots in them those that name something, and those that
    // could not be given.
    std::atomic<std::uint64_t> messages, gifts, no_gifts;
    // Never: a call changed a register that it must keep, or returned a number that docs/abi.md does not know.
    std::atomic<std::uint64_t> registers_changed;
    std::atomic<std::uint64_t> unknown_results;
    std::atomic<std::uint64_t> example;  // of the above: RAX before and after, 32 bits each
};

}  // namespace test
