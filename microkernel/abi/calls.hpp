// SPDX-License-Identifier: MIT
// System calls, and the operations on capabilities that cap_call and ring submissions carry.
// docs/abi.md specifies each: arguments, units, rights, errors.
//
// Entry by `syscall`: RAX = Call, arguments in RDI RSI RDX R10 R8 R9.
// Return: RAX = result or Error, RDX = second result. RCX and R11 are lost, everything else is kept.
#pragma once
#include <cstdint>

#include "abi/types.hpp"

namespace cox::abi {

enum class Call : std::uint64_t {
    kCapCall = 0,     // RDI slot, RSI op, RDX R10 R8 R9 arguments 0..3
    kCapEnter = 1,    // RDI min_complete, RSI timeout_ns; RAX completions ready, RDX submissions consumed
    kThreadExit = 2,  // RDI code; does not return
};

// Operations. The high byte is the object type that they belong to, 0 for operations on any slot.
// "ring only": may stay in flight, so only a submission can carry it. "call only": it may leave the CPU.
enum class Op : std::uint16_t {
    // Any capability.
    kIdentify = 0x0000,  // -> identity_word(type, rights), second result: its badge
    kDrop = 0x0001,      // empties the slot
    kDerive = 0x0002,    // a0 rights, a1 badge (0: this one's) -> new slot in the same table
    kNop = 0x0003,       // -> a0's low 32 bits; measures the door
    kCancel = 0x0004,    // a0 user_data of the caller's operation in flight that was submitted on this object
    kRevoke =
        0x0005,  // -> how many it emptied that were derived from this slot, second result: 1: there are more

    // Process. All need kManage but where noted.
    kCreateProcess = 0x0100,  // a0 ProcessParams* -> slot of the new process
    kCreateThread = 0x0101,   // a0 ThreadParams* -> slot of the new thread (in the *target* process)
    kCreateMemory =
        0x0102,  // a0 pages (at most kMaxPagesPerObject), or kDemandZero | pages -> slot of a zeroed object
    kCreateNotification = 0x0103,  // -> slot
    kMap = 0x0104,      // a0 memory slot, a1 address, a2 first page of the object, a3 MapWord(pages, access)
    kUnmap = 0x0105,    // a0 address, a1 pages
    kProtect = 0x0106,  // a0 address, a1 pages, a2 access
    // a0 slot of the caller (kGrant), a1 rights, a2 badge (0: this one's), a3 0 or kGiveMove -> slot in the target's table
    kGive = 0x0107,
    kKillProcess = 0x0108,  // a0 exit code
    kWaitExit = 0x0109,     // ring only, kRead: completes with the exit code when the process has gone
    kPark = 0x010a,  // call only, the caller's own, kRead: a0 address of a word, a1 its value, a2 timeout_ns
    kUnpark = 0x010b,  // the caller's own, kWrite: a0 address, a1 how many at most -> how many were woken
    kCreateEndpoint = 0x010c,  // -> slot

    kCreateTimer = 0x0111,  // a0 notification slot (kWrite), a1 bits that it sets -> slot
    kCreateQuota = 0x010d,  // a0 bytes, a1 threads -> slot of a quota, split from that of the process named
    kGetQuota = 0x010e,     // kRead: a0 QuotaStatus* (of the process's quota)
    kSetProcessFaultHandler = 0x0112,  // as kSetFaultHandler, for its threads that have none of their own

    // Thread.
    kStart = 0x0200,        // kManage
    kKillThread = 0x0201,   // kManage: a0 exit code
    kSetAffinity = 0x0202,  // kManage: a0 mask of CPUs
    kGetRef = 0x0203,       // kRead: -> ThreadRef
    kGetStatus = 0x0204,    // kRead: a0 StatusLine* (a copy of the line)
    kJoin = 0x0205,         // ring only, kRead: completes with the exit code when the thread has gone
    kSuspend = 0x0206,      // kManage: it does not run until kResume
    kResume = 0x0207,       // kManage
    kYield = 0x0208,        // call only, the caller itself, kRead: others run first
    kPoll =
        0x0209,  // call only, the caller itself, kManage: a0 idle_ns, a1 CPUs, a2 label -> slot of its ring's poller
    kSetFaultHandler =
        0x0210,  // kManage: a0 endpoint slot (kWrite), a1 badge; notification slot (kWrite), a1 bits; or 0
    kGetFault =
        0x0211,  // kRead: -> cause of the page fault with which it waits (kFaultMapped), second result: address
    kEndFault = 0x0212,  // kManage: a0 0: it tries again, 1: it ends

    // Memory object.
    kGetSize = 0x0300,       // kRead: -> pages, second result: how many of them have a frame
    kParkShared = 0x0301,    // call only, kRead: a0 offset of a word, a1 its value, a2 timeout_ns
    kUnparkShared = 0x0302,  // kWrite: a0 offset, a1 how many at most -> how many were woken
    kSplit = 0x0303,         // kRead: a0 first page, a1 pages -> slot of a new object with their frames
    kPin = 0x0304,           // kRead: a0 first page, a1 pages: each has a frame from now on

    // Notification: a word of bits.
    kSignal = 0x0400,    // kWrite: a0 bits, or-ed in
    kWaitBits = 0x0401,  // ring only, kRead: completes with the bits and clears them when any is set
    kPollBits = 0x0402,  // kRead: -> the bits, cleared; 0 if none

    // Scheduling domain.
    // kManage: a0 address for the status table (read-only, kStatusTablePages), a1 for the hints (kHintPages) or 0
    kAttach = 0x0500,
    kAddAgent = 0x0501,    // kManage: a0 thread slot, a1 CPU, a2 address for its event ring (kEventRingPages)
    kCommit = 0x0502,      // kWrite: a0 ThreadRef, a1 CommitWord(sequence, cpu, flags), a2 slice in ns
    kWaitEvents = 0x0503,  // ring only, kRead: completes with 1 when the calling agent's ring has events
    kDetach = 0x0504,      // kManage: the domain falls back
    kGetCpus = 0x0505,     // kRead: -> how many CPUs the domain has, second result: their mask
    kWakeLedger = 0x0506,  // kRead: a0 line or kGoneThreads, a1 WakeLedger* -> 1: whole, 0: read again
    kTakeCpu = 0x0507,     // kManage: a0 CPU: the domain loses it
    kReturnCpu = 0x0508,   // kManage: a0 CPU: the domain has it again
    // call only, the calling agent, kRead and kWrite: kCommit of a0 to a2 unless a0 is 0, then waits a3 ns for an event or a completion
    kCommitAndWait = 0x0509,
    kCreateDomain = 0x050a,  // kManage: -> slot of a domain that is this one's child, without CPUs
    kLendCpu = 0x050b,       // kManage: a0 CPU, a1 slot of a child (kManage): it is the child's
    kReclaimCpu = 0x050c,    // kManage: a0 CPU: it is this domain's again

    // Log.
    kLogWrite = 0x0600,  // kWrite: a0 address, a1 length (at most kMaxLogLine): one line, whole

    // Machine.
    kPowerOff = 0x0700,  // kManage: a0 ExitCode
    kCpuStats = 0x0701,  // kRead: a0 CPU, a1 CpuStats*
    kGetIrq = 0x0702,    // kManage: a0 line, a1 first port, a2 how many ports (0: none) -> slot

    // Timer.
    kArm =
        0x0900,  // kWrite: a0 ns from now (or kArmAbsolute), a1 period in ns or 0, a2 flags -> whether it was armed
    kDisarm = 0x0901,  // kWrite -> whether it was armed
    kReadTimer =
        0x0902,  // kRead: -> expiries since the last read, second result: how many of them were overruns

    // Interrupt line of a device, and its ports.
    kBindIrq = 0x0a00,    // kWrite: a0 notification slot (kWrite), a1 bits that an interrupt sets
    kAckIrq = 0x0a01,     // kWrite: the line is unmasked -> how many interrupts have come since last time
    kPortRead = 0x0a02,   // kRead: a0 port, a1 width in bytes -> value
    kPortWrite = 0x0a03,  // kWrite: a0 port, a1 width in bytes, a2 value

    // Endpoint: a0 MessageInfo, the words in registers or in the ring (abi/message.hpp) -> MessageInfo of what has come.
    kCall = 0x0801,     // kWrite: sends, and waits for the reply
    kReceive = 0x0802,  // kRead: waits for a caller; second result: the badge of its capability
    kReply =
        0x0803,  // kRead: answers whom a0's token names; 0, by cap_call: whom the thread received last by cap_call
    kReplyReceive = 0x0804,  // kRead: both; without anybody to answer only the second

    // Quota.
    kQuotaStatus = 0x0b00,  // kRead: a0 QuotaStatus*
    kSplitQuota = 0x0b01,   // kManage: a0 bytes, a1 threads -> slot of a quota, split from this one
};

inline constexpr std::uint64_t kMaxLogLine = 1024;
inline constexpr std::uint64_t kMaxPagesPerCall =
    512;  // kMap, kUnmap, kProtect, kPin: kernel paths stay bounded
inline constexpr std::uint64_t kRevokedPerCall = 32;
inline constexpr std::uint64_t kMaxPagesPerObject = 2048;  // kCreateMemory zeroes them in one go
inline constexpr std::uint64_t kDemandZero = std::uint64_t{1}
                                             << 63;  // a page has a frame from its first use on

// Timers.
inline constexpr std::uint64_t kArmAbsolute = 1;  // a0 is a value of the TSC
inline constexpr std::uint64_t kMinTimerPeriodNs = 100'000;
inline constexpr std::uint32_t kMaxTimers = 64;  // of one process

// Cause of a page fault: the right that the access needs (kRead, kWrite, kExecute), and whether something is mapped there.
inline constexpr std::uint64_t kFaultMapped = 8;

inline constexpr std::uint64_t kMaxIrqPorts = 64;  // of one interrupt's device

// kGive: the caller's slot is emptied.
inline constexpr std::uint64_t kGiveMove = 1;

// What kIdentify says: the type in the low half, the rights in the high half.
constexpr std::uint64_t identity_word(ObjectType type, Rights rights) {
    return std::uint64_t{rights} << 32 | static_cast<std::uint32_t>(type);
}

// Access of a mapping: Rights kRead, kWrite, kExecute. kWrite and kExecute together are refused.
constexpr std::uint64_t map_word(std::uint64_t pages, std::uint64_t access) { return pages << 8 | access; }

// Exit codes of the machine (docs/boot.md): what QEMU's isa-debug-exit device is told.
enum class ExitCode : std::uint64_t { kPass = 0x10, kFail = 0x11, kPanic = 0x12, kUnsupported = 0x13 };

struct ProcessParams {
    std::uint64_t domain_slot;  // slot of a SchedDomain (kExecute) that its threads run in; 0: none
    char name[24];              // for the log; NUL-terminated
    std::uint64_t
        quota_slot;  // slot of a Quota (kExecute) that it is charged to; 0: that of the process named
};
static_assert(sizeof(ProcessParams) == 40);

// What a quota has, and how much of that is in use or split off.
struct QuotaStatus {
    std::uint64_t memory;  // bytes
    std::uint64_t memory_used;
    std::uint64_t threads;
    std::uint64_t threads_used;
};
static_assert(sizeof(QuotaStatus) == 32);

struct ThreadParams {
    std::uint64_t entry;     // first instruction
    std::uint64_t stack;     // initial RSP
    std::uint64_t argument;  // RDI at the first instruction
    std::uint64_t
        ring_address;       // page-aligned: kRingPages pages are mapped there (abi/ring.hpp); or kRingInPlace
    std::uint64_t fs_base;  // user address or 0
    std::uint64_t affinity;   // mask of CPUs; 0: all
    std::uint64_t label;      // shown in the status line; free for the creator
    std::uint64_t first_cpu;  // where the kernel places it when no server does
};
static_assert(sizeof(ThreadParams) == 64);

// Added to ring_address: the ring is made of the writable pages that are mapped there already, and is emptied.
inline constexpr std::uint64_t kRingInPlace = 1;

}  // namespace cox::abi
