// SPDX-License-Identifier: MIT
//
// The layout of a recording: every call of a policy with what it could see and what it answered, in the order of the
// calls. docs/simulator.md specifies it. Pages carry a header each, so that whoever has the guest's memory finds them
// wherever they lie.
#pragma once

#include "abi/sched.hpp"
#include "abi/types.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace sched {

namespace abi = cox::abi;

// `cause`, `cpu`, `extra`, a .. e: what the kind says; all others 0. r: the policy's answer.
enum class RecordKind : std::uint8_t {
    kNone = 0,
    kPolicy = 1,     // a .. e: its name
    kParameter = 2,  // a: value; b .. e: name. Before kStart, and whenever one has changed
    kCpu = 3,        // cpu; a: core | cache << 16 | node << 32 | served << 48
    kStart = 4,      // the policy was started
    kTask = 5,       // ref; a: affinity, b: label, c: runtime, d: runnable since, e: last CPU | CPU << 32;
                     // extra: 1 + the line of its donor, which has been described before
    kEnqueue = 6,    // ref, cause
    kPick = 7,       // cpu; r: ref (0: none), a: slice, extra: hints
    kRemove = 8,     // ref
    kStopped = 9,    // ref, cause
    kAdopt = 10,     // ref
    kAffinity = 11,  // ref
    kPreempt = 12,   // r: cpu (kNoCpu: none)
    kNextTick = 13,  // r: a. When it has changed
    kTick = 14,
    kDepth = 15,  // r: a. When it has changed
    kCpuTaken = 16,
    kCpuReturned = 17,
    kGone = 18,       // ref
    kRecall = 19,     // r: ref (0: none)
    kFeedsIdle = 20,  // r: a, 0 or 1. When it has changed
    kDonor = 21,      // ref: donor_changed()
};

struct RecordEntry {
    static constexpr std::uint16_t kNoCpu = 0xffff;

    RecordKind kind = RecordKind::kNone;
    abi::Cause cause = abi::Cause::kNone;
    std::uint16_t cpu = 0;
    std::uint32_t extra = 0;
    std::uint64_t now_ns = 0;
    std::uint64_t ref = 0;
    std::array<std::uint64_t, 5> words{};
};
static_assert(sizeof(RecordEntry) == 64);

inline constexpr std::array<char, 16> kRecordMagic = {'C', 'O', 'X', 'S', 'W', 'A', 'I', 'N',
                                                      '-', 'R', 'E', 'C', 'O', 'R', 'D', '1'};

struct alignas(64) RecordPageHeader {
    std::array<char, 16> magic;
    std::uint64_t id;                     // of the recording
    std::uint32_t page;                   // which one this is
    std::uint32_t pages;                  // of the recording
    std::atomic<std::uint64_t> entries;   // in this page, whole ones
    std::atomic<std::uint64_t> not_kept;  // page 0: calls since the recording was full
    std::array<std::uint64_t, 2> reserved;
};
static_assert(sizeof(RecordPageHeader) == 64);

inline constexpr std::uint32_t kEntriesPerPage = abi::kPageSize / sizeof(RecordEntry) - 1;
inline constexpr std::uint32_t kMostRecordPages = 512;

struct RecordPage {
    RecordPageHeader header;
    std::array<RecordEntry, kEntriesPerPage> entries;
};
static_assert(sizeof(RecordPage) == abi::kPageSize);

}  // namespace sched
