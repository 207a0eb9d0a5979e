// SPDX-License-Identifier: MIT
#include "kernel/trace.hpp"

#include <algorithm>
#include <array>

#include "arch/entry_offsets.h"
#include "arch/paging.hpp"
#include "arch/timer.hpp"
#include "kernel/cpu.hpp"
#include "kernel/frames.hpp"
#include "kernel/log.hpp"
#include "kernel/panic.hpp"
#include "kernel/process.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/thread_table.hpp"

namespace cox {

std::uint32_t trace_classes;
std::uint64_t direct_calls = CALL_COUNT;

namespace {

core::TraceHeader* header;
std::array<core::TraceRing, abi::kMaxCpus> rings;

template <class T>
T* in_area(std::uint64_t offset) {
    return reinterpret_cast<T*>(reinterpret_cast<char*>(header) + offset);
}

core::TraceCpu& trace_cpu(std::uint32_t cpu) { return in_area<core::TraceCpu>(sizeof *header)[cpu]; }

}  // namespace

void trace_init(std::string_view classes, std::uint64_t pages) {
    const auto wanted = core::parse_trace_classes(classes);
    if (!wanted) unsupported(format("trace={} names an unknown class", classes).text());
    if (!*wanted) return;
    const auto cpus = online_cpus().size();
    const auto shape = core::TraceShape::of(pages, cpus);
    if (!shape || pages > frame_counts().total / 2)
        unsupported(format("trace_pages={} is too few or too many", pages).text());
    header = static_cast<core::TraceHeader*>(allocate_permanent(pages * abi::kPageSize));
    arch::fill_words(header, 0, shape->records_at / 8);
    header->magic = core::kTraceMagic;
    header->version = 1;
    header->record_size = sizeof(core::TraceRecord);
    header->cpus = static_cast<std::uint32_t>(cpus);
    header->classes = *wanted;
    header->tsc_hz = arch::clock.tsc_hz;
    header->names_at = shape->names_at;
    header->name_capacity = core::TraceShape::kNames;
    header->records_at = shape->records_at;
    header->capacity = shape->capacity;
    for (std::uint32_t i = 0; i < cpus; ++i) {
        auto* records = in_area<core::TraceRecord>(shape->records_at) + i * shape->capacity;
        rings[i] = {records, shape->capacity, trace_cpu(i).count};
        trace_cpu(i).count_at_end = ~std::uint64_t{0};
    }
    print("trace: address=0x{:x} bytes={} records={} classes=0x{:x}", arch::virtual_to_physical(header),
          pages * abi::kPageSize, shape->capacity, *wanted);
    if (*wanted & core::kTraceNames)
        print("live: table=0x{:x} threads={} cpus={} stats=0x{:x} stride={} tsc_hz={}", status_table_frame(),
              abi::kMaxThreads, cpus, arch::image_to_physical(&online_cpus().front().stats), sizeof(Cpu),
              arch::clock.tsc_hz);
    if (*wanted & core::kTraceCall) direct_calls = 0;
    trace_classes = *wanted;
}

void trace_write(std::uint64_t what, std::uint64_t a, std::uint64_t b, std::uint64_t tsc) {
    rings[this_cpu().number].write({tsc ? tsc : arch::rdtsc(), what, a, b});
}

void trace_call(std::uint64_t first, std::uint64_t second, std::uint64_t number) {
    const Cpu& cpu = this_cpu();
    rings[cpu.number].write({arch::rdtsc(), core::trace_what(core::TraceEvent::kCall, cpu.current->ref),
                             second << 8 | (number & 0xff), first});
}

void trace_name(const Thread& thread) {
    const auto position = header->names.fetch_add(1, std::memory_order_relaxed);
    if (position >= header->name_capacity) return;
    auto& name = in_area<core::TraceName>(header->names_at)[position];
    name.label = thread.line.label.load(std::memory_order_relaxed);
    name.domain = thread.domain ? thread.domain->number() : 0;
    std::ranges::copy(thread.process->name, name.process);
    name.ref.store(thread.ref.raw(), std::memory_order_release);
}

void trace_finish() {
    if (!trace_classes) return;
    for (Cpu& cpu : online_cpus()) {
        auto& end = trace_cpu(cpu.number);
        end.count_at_end = end.count.load(std::memory_order_acquire);
        end.stats = cpu.stats;
    }
}

}  // namespace cox
