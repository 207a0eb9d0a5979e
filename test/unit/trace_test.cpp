// SPDX-License-Identifier: MIT
// The trace area's arithmetic: which classes, how an area is divided, what a ring keeps.
#include "core/trace.hpp"

#include <catch2/catch.hpp>
#include <cstddef>
#include <vector>

using namespace cox::core;

TEST_CASE("trace= names classes, all of them, or none") {
    CHECK(parse_trace_classes("") == 0u);
    CHECK(parse_trace_classes("dispatch") == kTraceDispatch);
    CHECK(parse_trace_classes("stop,call") == (kTraceStop | kTraceCall));
    CHECK(parse_trace_classes("interrupt,interrupt") == kTraceInterrupt);
    CHECK(parse_trace_classes("all") == 0x1ffu);
    CHECK(parse_trace_classes("names,ipi") == (kTraceNames | kTraceIpi));
    for (const auto* text :
         {"colour", "dispatch,colour", "dispatch stop", ",", "dispatch,,stop", "Dispatch", "al"})
        CHECK_FALSE(parse_trace_classes(text));
}

TEST_CASE("a trace area is divided without overlap, into rings that fill it as far as powers of two can") {
    const auto cpus = GENERATE(1u, 2u, 3u, 64u);
    const auto pages = GENERATE(13u, 14u, 15u, 16u, 20u, 64u, 2048u, 100'000u);
    const auto shape = TraceShape::of(pages, cpus);
    const auto least =
        (sizeof(TraceHeader) + cpus * sizeof(TraceCpu) + TraceShape::kNames * sizeof(TraceName) + 4095) /
            4096 * 4096 +
        cpus * TraceShape::kLeastRecords * sizeof(TraceRecord);
    REQUIRE(shape.has_value() == (pages * 4096 >= least));
    if (!shape) return;
    CHECK(shape->names_at >= sizeof(TraceHeader) + cpus * sizeof(TraceCpu));
    CHECK(shape->names_at % alignof(TraceName) == 0);
    CHECK(shape->records_at >= shape->names_at + TraceShape::kNames * sizeof(TraceName));
    CHECK(shape->records_at % 4096 == 0);
    CHECK((shape->capacity & (shape->capacity - 1)) == 0);
    const auto end = [&](std::uint64_t capacity) {
        return shape->records_at + cpus * capacity * sizeof(TraceRecord);
    };
    CHECK(end(shape->capacity) <= pages * 4096);
    CHECK(end(shape->capacity * 2) > pages * 4096);
}

TEST_CASE("a trace ring keeps the newest records, each in its place, and counts all") {
    constexpr std::uint64_t kCapacity = 8;
    const auto written = GENERATE(0u, 1u, 7u, 8u, 9u, 100u);
    std::vector<TraceRecord> records(kCapacity + 1);
    records[kCapacity].a = 4711;  // not the ring's
    std::atomic<std::uint64_t> count{0};
    TraceRing ring(records.data(), kCapacity, count);
    for (std::uint64_t i = 0; i < written; ++i)
        ring.write({i, trace_what(TraceEvent::kIpi, {1, 2}), i * 3, 4});
    CHECK(count == written);
    for (std::uint64_t i = written < kCapacity ? 0 : written - kCapacity; i < written; ++i) {
        CHECK(records[i % kCapacity].tsc == i);
        CHECK(records[i % kCapacity].a == i * 3);
    }
    CHECK(records[kCapacity].a == 4711);
}

// The offsets that docs/tracing.md gives, and scripts/coxswain/trace_file.py relies on.
static_assert(trace_what(TraceEvent::kInterrupt, {2047, 0xabcdef01}) == 0xabcdef01'0f0007ff);
static_assert(offsetof(TraceRecord, what) == 8 && offsetof(TraceRecord, a) == 16);
static_assert(offsetof(TraceHeader, cpus) == 16 && offsetof(TraceHeader, tsc_hz) == 24);
static_assert(offsetof(TraceHeader, names_at) == 32 && offsetof(TraceHeader, records_at) == 48);
static_assert(offsetof(TraceHeader, names) == 64 && offsetof(TraceCpu, stats) == 16);
static_assert(offsetof(TraceName, label) == 8 && offsetof(TraceName, process) == 24);
