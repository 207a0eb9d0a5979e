// SPDX-License-Identifier: MIT
#include "from_record.hpp"

#include <algorithm>
#include <cstdio>
#include <map>

namespace sim {
namespace {

using sched::RecordEntry;
using sched::RecordKind;

// A thread on its way through the recording.
struct Traced {
    TraceThread thread;
    std::uint64_t runtime_ns = 0;  // as the server knows it
    std::uint64_t counted_ns = 0;  // of that, what stands in phases
    std::uint64_t runnable_since_ns = 0;
    std::uint64_t asleep_since_ns = 0;
    bool has_come = false;

    void end_turn() {
        thread.phases.push_back(runtime_ns - counted_ns);
        counted_ns = runtime_ns;
    }
    void enqueued() {
        if (!has_come) {
            has_come = true;
            thread.start_ns = runnable_since_ns;
            counted_ns = runtime_ns;  // it was there before the recording
        } else if (asleep_since_ns != 0) {
            thread.phases.push_back(runnable_since_ns > asleep_since_ns ? runnable_since_ns - asleep_since_ns
                                                                        : 0);
        }
        asleep_since_ns = 0;
    }
    void stopped(cox::abi::Cause cause, std::uint64_t now_ns) {
        if (cause == cox::abi::Cause::kBlocked && has_come) {
            end_turn();
            asleep_since_ns = now_ns;
        }
    }
    // Between two turns stands a sleep, so what the last one lacks is what has been counted since.
    TraceThread finish() {
        if (asleep_since_ns == 0 && runtime_ns > counted_ns) {
            end_turn();
        }
        return std::move(thread);
    }
};

}  // namespace

std::vector<TraceThread> threads_of(const Recording& recording) {
    std::map<std::uint64_t, Traced> traced;  // by ThreadRef
    for (const RecordEntry& entry : recording.entries) {
        switch (entry.kind) {
            case RecordKind::kTask: {
                Traced& task = traced[entry.ref];
                task.thread.affinity = entry.words[0];
                task.thread.label = entry.words[1];
                task.runtime_ns = entry.words[2];
                task.runnable_since_ns = entry.words[3];
                break;
            }
            case RecordKind::kEnqueue: traced[entry.ref].enqueued(); break;
            case RecordKind::kStopped: traced[entry.ref].stopped(entry.cause, entry.now_ns); break;
            default: break;
        }
    }
    std::vector<TraceThread> threads;
    for (auto& [ref, task] : traced) {
        if (TraceThread thread = task.finish(); task.has_come && !thread.phases.empty()) {
            threads.push_back(std::move(thread));
        }
    }
    std::ranges::sort(threads, [](const TraceThread& left, const TraceThread& right) {
        return left.start_ns != right.start_ns ? left.start_ns < right.start_ns : left.phases < right.phases;
    });
    const std::uint64_t first_ns = threads.empty() ? 0 : threads.front().start_ns;
    for (TraceThread& thread : threads) {
        thread.start_ns -= first_ns;
    }
    return threads;
}

std::string trace_text(const std::vector<TraceThread>& threads) {
    std::string text;
    for (const TraceThread& thread : threads) {
        text += std::to_string(thread.start_ns) + "ns";
        for (const std::uint64_t phase : thread.phases) {
            text += " " + std::to_string(phase) + "ns";
        }
        if (thread.affinity != kAnywhere) {
            char mask[32];
            std::snprintf(mask, sizeof mask, " affinity=0x%llx",
                          static_cast<unsigned long long>(thread.affinity));
            text += mask;
        }
        text += thread.label != 0 ? " label=" + std::to_string(thread.label) + "\n" : "\n";
    }
    return text;
}

}  // namespace sim
