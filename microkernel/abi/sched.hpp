// SPDX-License-Identifier: MIT
// What the kernel and a scheduler server share: status lines, event rings, commits. docs/scheduling.md
// is the specification.
#pragma once
#include <atomic>
#include <cstdint>

#include "abi/types.hpp"

namespace cox::abi {

enum class ThreadState : std::uint8_t {
    kFree = 0,       // the line holds no thread
    kCreated = 1,    // not started
    kRunning = 2,    // on CPU `cpu`
    kQueued = 3,     // in the run queue or inbox of CPU `cpu`
    kWaiting = 4,    // for a completion
    kUnplaced = 5,   // runnable, and waits for a commit
    kSuspended = 6,  // by kSuspend; wake pending: it is runnable when resumed, else it waits still
    kFaulted = 7,    // reserved
    kGone = 8,       // has exited; the line is kept until nobody refers to the thread
};

// Why a thread last stopped, or why it was treated as it was.
enum class Cause : std::uint8_t {
    kNone = 0,
    kStarted = 1,          // made runnable by kStart
    kWoken = 2,            // what it waited for came
    kBlocked = 3,          // waits
    kSliceEnd = 4,         // used up the slice of its commit while another thread waited for the CPU
    kYielded = 5,          // kYield
    kRecalled = 6,         // by a commit with kCommitRecall
    kAffinityChanged = 7,  // may no longer run where it was
    kExited = 8,           // thread_exit
    kKilled = 9,           // by capability
    kFaulted = 10,         // by an exception in user mode
    kFallbackSlice = 11,   // rotated by the kernel beside a thread that the kernel placed
    kNoServer = 12,        // placed by the kernel: no server is attached
    kWatchdog = 13,        // placed by the kernel: the server left it without a CPU for too long
    kReturned = 14,        // handed back to the server after fallback
    kAgentOverrun = 15,    // an agent that used up its budget
    kCpuLost = 16,         // its CPU was taken from the domain
    kSuspended = 17,       // by kSuspend
    kResumed = 18,         // by kResume
    kCalls = 19,           // waits for the reply to its kCall
};

// The one word that says where a thread is, and why.
//   bits 0..7 state, 8..15 CPU (where it runs, is queued, or ran last), 16..22 requests,
//   bit 23 wake owed: a wake has made it runnable, and nobody has placed it since; bit 24 wake pending, bit 25 placed by the kernel, 26..31 cause, 32..63 sequence number.
struct ThreadWord {
    std::uint64_t raw = 0;

    constexpr ThreadState state() const { return static_cast<ThreadState>(raw & 0xff); }
    constexpr std::uint32_t cpu() const { return raw >> 8 & 0xff; }
    constexpr std::uint32_t requests() const { return raw >> 16 & 0x7f; }
    constexpr bool wake_owed() const { return raw >> 23 & 1; }
    constexpr bool wake_pending() const { return raw >> 24 & 1; }
    constexpr bool placed_by_kernel() const { return raw >> 25 & 1; }
    constexpr Cause cause() const { return static_cast<Cause>(raw >> 26 & 0x3f); }
    constexpr std::uint32_t sequence() const { return static_cast<std::uint32_t>(raw >> 32); }
    friend constexpr bool operator==(ThreadWord, ThreadWord) = default;
};

// Requests: set by anyone, consumed by the owning CPU.
inline constexpr std::uint32_t kRequestKill = 1;      // exit
inline constexpr std::uint32_t kRequestRecall = 2;    // back to unplaced: a commit with kCommitRecall
inline constexpr std::uint32_t kRequestAffinity = 4;  // check affinity again
inline constexpr std::uint32_t kRequestSuspend = 8;   // to suspended; kResume takes it back

// One line of the status table: kMaxThreads lines of threads, then kMaxCpus lines of CPUs.
// Written by the kernel alone, read-only to the server. `word` is the truth; the other fields are at least as
// new as it is, and `runtime_ns` belongs to it when `word` reads the same before and after.
struct alignas(64) StatusLine {
    std::atomic<std::uint64_t> word;            // ThreadWord; CPU line: state kRunning or kWaiting (idle)
    std::atomic<std::uint64_t> ref;             // ThreadRef; CPU line: the CPU's number
    std::atomic<std::uint64_t> runtime_ns;      // on a CPU since creation, up to its last stop
    std::atomic<std::uint64_t> runnable_since;  // TSC when it last became runnable; or called_name()
    std::atomic<std::uint64_t> wakes;           // so far; but for WakeLedger::direct
    std::atomic<std::uint64_t> affinity;        // mask of CPUs
    std::atomic<std::uint64_t> label;           // ThreadParams::label; CPU line: TopologyWord
    std::atomic<std::uint16_t> domain;  // 0: in no domain; else the domain's number. CPU line: whose it is
    std::atomic<std::uint16_t>
        serves;  // 0, or 1 + the line of the thread whose call it received last and has not answered
    std::atomic<std::uint32_t> calls;  // since creation, up to its last stop, modulo 2^32
};
static_assert(sizeof(StatusLine) == 64);

// `runnable_since` of a thread that waits for the reply to its kCall, unless the server runs on its time: who has the call, or, where it
// waits to be received, who received there last (nobody yet: generation 0). Bit 63 set, 16 to 47 the generation, 0 to 15 the line of that thread.
inline constexpr std::uint64_t kCalledThread = std::uint64_t{1} << 63;
static_assert(kMaxThreads <= 0x10000);

constexpr std::uint64_t called_name(ThreadRef thread) {
    return kCalledThread | std::uint64_t{thread.generation} << 16 | thread.index;
}
// None where the word is a time.
constexpr ThreadRef called_thread(std::uint64_t since) {
    if (!(since & kCalledThread)) return {};
    return {static_cast<std::uint32_t>(since & 0xffff), static_cast<std::uint32_t>(since >> 16)};
}

// A CPU's place, in the `label` of its line, from the boot on: bits 0..15 core, 16..31 last-level cache, 32..47 node (package).
// CPUs with the same number share the thing: those with one core are its SMT threads.
struct TopologyWord {
    std::uint64_t raw = 0;

    constexpr std::uint32_t core() const { return raw & 0xffff; }
    constexpr std::uint32_t cache() const { return raw >> 16 & 0xffff; }
    constexpr std::uint32_t node() const { return raw >> 32 & 0xffff; }
    friend constexpr bool operator==(TopologyWord, TopologyWord) = default;
};

inline constexpr std::uint32_t kStatusLines = kMaxThreads + kMaxCpus;
inline constexpr std::uint32_t kStatusTablePages = (kStatusLines * 64 + 4095) / 4096;

// What became of a thread's wakes, since it was created: kWakeLedger. At any time
//     wakes = hinted + committed + by_kernel + cancelled + coalesced + direct + 1 if word.wake_owed()
// but for what is just being counted, which is in `wakes` already.
struct WakeLedger {
    std::uint64_t word;    // ThreadWord, while the counts were read
    std::uint64_t ref;     // ThreadRef; 0: the line is free
    std::uint64_t wakes;   // as in the line, and the direct ones: its start, and whatever would have woken it
    std::uint64_t hinted;  // placed by a hint
    std::uint64_t committed;  // placed by a commit
    std::uint64_t by_kernel;  // placed by the kernel: in fallback; of a system thread, all
    std::uint64_t cancelled;  // the thread has gone
    std::uint64_t coalesced;  // there was nothing to place: it ran, was queued, or was runnable already
    std::uint64_t direct;     // by a call or a reply that switched straight to it
};
static_assert(sizeof(WakeLedger) == 72);
inline constexpr std::uint64_t kGoneThreads =
    ~std::uint64_t{0};  // kWakeLedger: not a line, but these together

// Event ring of one agent: a header line, then entries. An entry is a line's index in its low half and
// the lap of its position in its high half: lap = position / kEventEntries + 1. The kernel reserves a
// position, then stores the entry with release. The agent owns `head`: to release an entry it stores
// head + 1, executes a full fence, and only then reads the status line.
inline constexpr std::uint32_t kEventEntries = 4096;
static_assert(kEventEntries >= kStatusLines, "a line stands in a ring at most once, so it cannot overflow");
inline constexpr std::uint32_t kEventRingPages = 1 + kEventEntries * 8 / 4096;  // page 0: header

struct EventRingHeader {
    alignas(64) std::atomic<std::uint64_t> head;  // agent
    alignas(64) std::atomic<std::uint64_t> base;  // kernel, once: the first position of this ring
};

// A commit's second argument.
//   bits 0..31 expected sequence number, 32..39 CPU, 40..47 flags
inline constexpr std::uint32_t kCommitHead = 1;     // before the others in the CPU's queue, not after
inline constexpr std::uint32_t kCommitPreempt = 2;  // the domain's thread that runs there returns to unplaced
inline constexpr std::uint32_t kCommitRecall = 4;  // a running or queued thread: back to unplaced, with event

constexpr std::uint64_t commit_word(std::uint32_t sequence, std::uint32_t cpu, std::uint32_t flags) {
    return std::uint64_t{sequence} | std::uint64_t{cpu} << 32 | std::uint64_t{flags} << 40;
}

// Hints: how the kernel shall place a thread without asking. One for each line of the status table, written by the server,
// read by the kernel when it applies. `word`:
//   bit 0 on wake: queue it on the CPU below, without an event (nor one when it blocks)
//   bit 1 at the end of its slice, and on yield: back to the tail of its queue, without an event
//   bits 8..15 CPU, 32..63 the generation of the ThreadRef that is meant; all others 0
// A hint that is of another thread, or names a CPU that the thread may not use, counts as none.
struct HintLine {
    std::atomic<std::uint64_t> word;
    std::atomic<std::uint64_t> slice_ns;  // of the placements that it makes; as in a commit
};
static_assert(sizeof(HintLine) == 16);
inline constexpr std::uint32_t kHintWake = 1, kHintRotate = 2;
inline constexpr std::uint32_t kHintPages = kMaxThreads * sizeof(HintLine) / 4096;

constexpr std::uint64_t hint_word(std::uint32_t generation, std::uint32_t cpu, std::uint32_t flags) {
    return std::uint64_t{generation} << 32 | std::uint64_t{cpu} << 8 | flags;
}

inline constexpr std::uint64_t kNoSlice = 0;           // runs until it stops by itself
inline constexpr std::uint64_t kMinSliceNs = 100'000;  // shorter slices are lengthened to this
inline constexpr std::uint64_t kFallbackSliceNs = 10'000'000;
inline constexpr std::uint64_t kAgentBudgetNs = 20'000'000;  // per activation

}  // namespace cox::abi
