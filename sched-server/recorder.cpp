// SPDX-License-Identifier: MIT
#include "recorder.hpp"

#include "core/assert.hpp"

#include <algorithm>
#include <cstring>

namespace sched {
namespace {

constexpr std::size_t kParameterName = 4 * sizeof(std::uint64_t);

void put_text(std::uint64_t* words, std::size_t room, std::string_view text) {
    std::memcpy(words, text.data(), std::min(room, text.size()));
}

RecordEntry describe(const Task& task) {
    return {.kind = RecordKind::kTask,
            .extra = task.donor != nullptr ? task.donor->ref.index + 1 : 0,
            .ref = task.ref.raw(),
            .words = {task.affinity, task.label, task.runtime_ns, task.runnable_since_ns,
                      std::uint64_t{task.cpu} << 32 | task.last_cpu}};
}

}  // namespace

Recorder::Recorder(Policy& policy, const Machine& machine, std::span<RecordPage> pages, std::uint64_t id)
    : policy_(policy), pages_(pages), machine_(machine) {
    for (std::uint32_t number = 0; number < pages.size(); ++number) {
        RecordPageHeader& header = pages[number].header;
        header.magic = kRecordMagic;
        header.id = id;
        header.page = number;
        header.pages = static_cast<std::uint32_t>(pages.size());
    }
    RecordEntry name{.kind = RecordKind::kPolicy};
    put_text(name.words.data(), sizeof(name.words), policy.name());
    write(name);
    COX_ASSERT(policy.parameters().size() <= kParameters);
    for (const Parameter& parameter : policy.parameters()) {
        COX_ASSERT(parameter.name.size() <= kParameterName);
        parameters_[static_cast<std::size_t>(&parameter - policy.parameters().data())] = ~*parameter.value;
    }
    write_parameters();
}

void Recorder::begin() const {
    begun_ = true;
    for (std::uint32_t cpu = 0; cpu < machine_.cpus.size(); ++cpu) {
        const CpuPlace& place = machine_.cpus[cpu];
        write({.kind = RecordKind::kCpu,
               .cpu = static_cast<std::uint16_t>(cpu),
               .words = {place.core | std::uint64_t{place.cache} << 16 | std::uint64_t{place.node} << 32 |
                         std::uint64_t{place.served} << 48}});
    }
    write({.kind = RecordKind::kStart});
}

void Recorder::enqueue(Task& task, abi::Cause cause, std::uint64_t now_ns) {
    learn(task);
    prepare();
    write({.kind = RecordKind::kEnqueue, .cause = cause, .now_ns = now_ns, .ref = task.ref.raw()});
    policy_.enqueue(task, cause, now_ns);
}

std::optional<Pick> Recorder::pick_next(std::uint32_t cpu, std::uint64_t now_ns) {
    prepare();
    const std::optional<Pick> pick = policy_.pick_next(cpu, now_ns);
    RecordEntry entry{.kind = RecordKind::kPick, .cpu = static_cast<std::uint16_t>(cpu), .now_ns = now_ns};
    if (pick) {
        entry.ref = pick->task->ref.raw();
        entry.extra = pick->hints;
        entry.words[0] = pick->slice_ns;
    }
    write(entry);
    return pick;
}

void Recorder::remove(Task& task) {
    prepare();
    write({.kind = RecordKind::kRemove, .ref = task.ref.raw()});
    policy_.remove(task);
    forget(task);
}

void Recorder::stopped(Task& task, abi::Cause cause, std::uint64_t now_ns) {
    prepare();
    write({.kind = RecordKind::kStopped, .cause = cause, .now_ns = now_ns, .ref = task.ref.raw()});
    policy_.stopped(task, cause, now_ns);
    forget(task);
}

void Recorder::adopt(Task& task, std::uint64_t now_ns) {
    learn(task);
    prepare();
    write({.kind = RecordKind::kAdopt, .now_ns = now_ns, .ref = task.ref.raw()});
    policy_.adopt(task, now_ns);
}

void Recorder::affinity_changed(Task& task, std::uint64_t now_ns) {
    prepare();
    write({.kind = RecordKind::kAffinity, .now_ns = now_ns, .ref = task.ref.raw()});
    policy_.affinity_changed(task, now_ns);
}

void Recorder::gone(Task& task, std::uint64_t now_ns) {
    learn(task);  // it may have waited
    prepare();
    write({.kind = RecordKind::kGone, .now_ns = now_ns, .ref = task.ref.raw()});
    policy_.gone(task, now_ns);
    forget(task);
}

void Recorder::donor_changed(Task& task, std::uint64_t now_ns) {
    prepare();
    write({.kind = RecordKind::kDonor, .now_ns = now_ns, .ref = task.ref.raw()});
    policy_.donor_changed(task, now_ns);
}

Task* Recorder::recall(std::uint64_t now_ns) {
    prepare();
    Task* const task = policy_.recall(now_ns);
    write({.kind = RecordKind::kRecall, .now_ns = now_ns, .ref = task != nullptr ? task->ref.raw() : 0});
    return task;
}

bool Recorder::feeds_idle() const {
    const bool feeds = policy_.feeds_idle();
    if (feeds_idle_ != feeds) {
        feeds_idle_ = feeds;
        prepare();
        write({.kind = RecordKind::kFeedsIdle, .words = {feeds}});
    }
    return feeds;
}

std::uint32_t Recorder::depth() const {
    const std::uint32_t depth = policy_.depth();
    if (depth != depth_) {
        depth_ = depth;
        prepare();
        write({.kind = RecordKind::kDepth, .words = {depth}});
    }
    return depth;
}

std::optional<std::uint32_t> Recorder::preempt(std::uint64_t now_ns) {
    prepare();
    const std::optional<std::uint32_t> cpu = policy_.preempt(now_ns);
    write({.kind = RecordKind::kPreempt,
           .cpu = cpu ? static_cast<std::uint16_t>(*cpu) : RecordEntry::kNoCpu,
           .now_ns = now_ns});
    return cpu;
}

std::uint64_t Recorder::next_tick_ns() const {
    const std::uint64_t next_ns = policy_.next_tick_ns();
    if (next_ns != next_tick_ns_) {
        next_tick_ns_ = next_ns;
        prepare();
        write({.kind = RecordKind::kNextTick, .words = {next_ns}});
    }
    return next_ns;
}

void Recorder::tick(std::uint64_t now_ns) {
    prepare();
    write({.kind = RecordKind::kTick, .now_ns = now_ns});
    policy_.tick(now_ns);
}

void Recorder::cpu_taken(std::uint32_t cpu, std::uint64_t now_ns) {
    prepare();
    write({.kind = RecordKind::kCpuTaken, .cpu = static_cast<std::uint16_t>(cpu), .now_ns = now_ns});
    policy_.cpu_taken(cpu, now_ns);
}

void Recorder::cpu_returned(std::uint32_t cpu, std::uint64_t now_ns) {
    prepare();
    write({.kind = RecordKind::kCpuReturned, .cpu = static_cast<std::uint16_t>(cpu), .now_ns = now_ns});
    policy_.cpu_returned(cpu, now_ns);
}

void Recorder::prepare() const {
    if (!begun_) {
        begin();
    }
    write_parameters();
    for (const std::uint16_t line : std::span(known_).first(known_count_)) {
        write_task(*seen_[line].task);
    }
}

void Recorder::write_parameters() const {
    const std::span<const Parameter> all = policy_.parameters();
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (*all[i].value != parameters_[i]) {
            parameters_[i] = *all[i].value;
            RecordEntry entry{.kind = RecordKind::kParameter, .words = {parameters_[i]}};
            put_text(&entry.words[1], kParameterName, all[i].name);
            write(entry);
        }
    }
}

void Recorder::write_task(const Task& task) const {
    Seen& seen = seen_[task.ref.index];
    const RecordEntry entry = describe(task);
    if (task.donor != nullptr) {
        write_task(
            *task.donor);  // one that waits, so the policy may know nothing of it; whose donor is another, or none
    }
    if (entry.ref != seen.entry.ref || entry.words != seen.entry.words || entry.extra != seen.entry.extra) {
        seen.entry = entry;
        write(entry);
    }
}

// Once a record finds no room, none is written any more: the header's count of the last page tells that it is full.
void Recorder::write(const RecordEntry& entry) const {
    while (page_ < pages_.size()) {
        RecordPage& page = pages_[page_];
        const std::uint64_t at = page.header.entries.load(std::memory_order_relaxed);
        if (at < kEntriesPerPage) {
            page.entries[at] = entry;
            // Release: whoever reads the count, even after the machine has stopped in between, finds the entry whole.
            page.header.entries.store(at + 1, std::memory_order_release);
            return;
        }
        ++page_;
    }
    if (!pages_.empty()) {
        pages_[0].header.not_kept.fetch_add(1, std::memory_order_relaxed);
    }
}

void Recorder::learn(const Task& task) {
    Seen& seen = seen_[task.ref.index];
    seen.task = &task;
    if (seen.known_at == kUnknown) {
        seen.known_at = known_count_;
        known_[known_count_++] = static_cast<std::uint16_t>(task.ref.index);
    }
}

void Recorder::forget(const Task& task) {
    Seen& seen = seen_[task.ref.index];
    if (seen.known_at == kUnknown) {
        return;
    }
    const std::uint16_t last = known_[--known_count_];
    known_[seen.known_at] = last;
    seen_[last].known_at = seen.known_at;
    seen.known_at = kUnknown;
}

}  // namespace sched
