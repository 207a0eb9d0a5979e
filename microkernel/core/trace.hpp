// SPDX-License-Identifier: MIT
//
// The trace area: what each CPU did, as records that are read when the machine has stopped. docs/tracing.md is the specification;
// scripts/coxswain/trace_file.py reads it.
//
//     0            TraceHeader
//     128          TraceCpu of each CPU
//     names_at     TraceName of each thread, in the order of their creation: the oldest are kept
//     records_at   a ring of TraceRecord for each CPU, `capacity` each: the newest are kept
//
// A ring has one writer, its CPU. A count is stored, with release, when its record is whole; so whatever stops the machine,
// the newest `capacity` - 1 records that are counted are whole. (The oldest one may be being overwritten.)
#pragma once

#include "abi/stats.hpp"
#include "abi/types.hpp"

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cox::core {

// Classes of events: a bit each, named in this order by the boot parameter `trace=`.
inline constexpr std::uint32_t kTraceDispatch = 1, kTraceStop = 2, kTraceWake = 4, kTraceEvent = 8,
                               kTraceCommit = 16, kTraceIpi = 32, kTraceShootdown = 64, kTraceCall = 128,
                               kTraceInterrupt = 256;
inline constexpr std::string_view kTraceClassNames[] = {"dispatch", "stop",      "wake", "event",    "commit",
                                                        "ipi",      "shootdown", "call", "interrupt"};
// Beside them, `trace=names`: no records, but the threads' names, and where a live view finds the kernel's tables.
inline constexpr std::uint32_t kTraceNames = 512;

// "dispatch,stop" or "all" (which leaves out "names"). Nothing: an unknown name.
std::optional<std::uint32_t> parse_trace_classes(std::string_view text);

// What a and b hold: docs/tracing.md.
enum class TraceEvent : std::uint8_t {
    kDispatch = 1,
    kStop = 2,
    kGone = 3,
    kWake = 4,
    kReturn = 5,
    kEvent = 6,
    kCommit = 7,
    kRecall = 8,
    kRefuse = 9,
    kPlace = 10,
    kIpi = 11,
    kShootdown = 12,
    kShotDown = 13,
    kCall = 14,
    kInterrupt = 15,
};

struct TraceRecord {
    std::uint64_t tsc;
    std::uint64_t
        what;  // bits 0..15 the thread's line, 24..31 the event, 32..63 the thread's generation; 0: no thread
    std::uint64_t a, b;
};
static_assert(sizeof(TraceRecord) == 32);

constexpr std::uint64_t trace_what(TraceEvent event, abi::ThreadRef thread) {
    static_assert(abi::kMaxThreads <= 0x10000);
    return thread.raw() | std::uint64_t{static_cast<std::uint8_t>(event)} << 24;
}

inline constexpr std::uint64_t kTraceMagic = 0x4543'4152'5458'4f43;  // "COXTRACE"

struct alignas(128) TraceHeader {
    std::uint64_t magic;
    std::uint32_t version, record_size;
    std::uint32_t cpus, classes;
    std::uint64_t tsc_hz;
    std::uint64_t names_at, name_capacity;
    std::uint64_t records_at, capacity;
    std::atomic<std::uint64_t> names;  // threads created so far
};
static_assert(sizeof(TraceHeader) == 128);

struct alignas(64) TraceCpu {
    std::atomic<std::uint64_t> count;  // records written so far
    std::uint64_t count_at_end;        // when `stats` was copied, at power-off; ~0: not yet
    abi::CpuStats stats;
};
static_assert(sizeof(TraceCpu) == 192);

struct TraceName {
    std::atomic<std::uint64_t> ref;  // release, last: 0 while the entry is not there
    std::uint64_t label;
    std::uint64_t domain;  // as in StatusLine
    char process[24];
};
static_assert(sizeof(TraceName) == 48);

// How an area of `pages` is divided among `cpus`. Nothing: too small.
struct TraceShape {
    static constexpr std::uint64_t kNames = 1024, kLeastRecords = 64;
    std::uint64_t names_at, records_at, capacity;

    static constexpr std::optional<TraceShape> of(std::uint64_t pages, std::uint64_t cpus) {
        const auto names = sizeof(TraceHeader) + cpus * sizeof(TraceCpu);
        const auto records =
            (names + kNames * sizeof(TraceName) + abi::kPageSize - 1) / abi::kPageSize * abi::kPageSize;
        std::uint64_t capacity = kLeastRecords;
        const auto end = [&] { return records + cpus * capacity * sizeof(TraceRecord); };
        if (end() > pages * abi::kPageSize) return std::nullopt;
        while (end() <= pages * abi::kPageSize) capacity *= 2;
        return TraceShape{names, records, capacity / 2};
    }
};

class TraceRing {
public:
    TraceRing() = default;
    TraceRing(TraceRecord* records, std::uint64_t capacity, std::atomic<std::uint64_t>& count)
        : records_(records), mask_(capacity - 1), count_(&count) {}

    void write(const TraceRecord& record) {
        const auto position = count_->load(std::memory_order_relaxed);
        records_[position & mask_] = record;
        count_->store(
            position + 1,
            std::memory_order_release);  // pairs with nothing that runs: the reader comes after the end
    }

private:
    TraceRecord* records_ = nullptr;
    std::uint64_t mask_ = 0;
    std::atomic<std::uint64_t>* count_ = nullptr;
};

}  // namespace cox::core
