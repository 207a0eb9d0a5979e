// SPDX-License-Identifier: MIT
// Long because of its tables: the operations, and what each could be given.
#include "support/hostile_mind.hpp"

#include "abi/message.hpp"
#include "abi/sched.hpp"

#include <algorithm>
#include <atomic>

namespace test {

namespace {

namespace abi = cox::abi;
using abi::ObjectType;
using enum abi::Op;

constexpr abi::Op kOperations[] = {kIdentify,
                                   kDrop,
                                   kDerive,
                                   kNop,
                                   kCreateProcess,
                                   kCreateThread,
                                   kCreateMemory,
                                   kCreateMemory,
                                   kMap,
                                   kUnmap,
                                   kProtect,
                                   kGive,
                                   kKillProcess,
                                   kWaitExit,
                                   kStart,
                                   kKillThread,
                                   kSetAffinity,
                                   kGetRef,
                                   kGetStatus,
                                   kGetSize,
                                   kSignal,
                                   kWaitBits,
                                   kPollBits,
                                   kAttach,
                                   kAddAgent,
                                   kCommit,
                                   kWaitEvents,
                                   kCommitAndWait,
                                   kDetach,
                                   kGetCpus,
                                   kLogWrite,
                                   kPowerOff,
                                   kCpuStats,
                                   kCreateNotification,
                                   kJoin,
                                   kSuspend,
                                   kResume,
                                   kCancel,
                                   kPoll,
                                   kTakeCpu,
                                   kReturnCpu,
                                   kReturnCpu,
                                   kCreateDomain,
                                   kLendCpu,
                                   kReclaimCpu,
                                   kReclaimCpu,
                                   kWakeLedger,
                                   kCreateTimer,
                                   kArm,
                                   kDisarm,
                                   kReadTimer,
                                   kSplit,
                                   kPin,
                                   kGetIrq,
                                   kBindIrq,
                                   kAckIrq,
                                   kPortRead,
                                   kPortWrite,
                                   kSetFaultHandler,
                                   kSetProcessFaultHandler,
                                   kGetFault,
                                   kEndFault,
                                   kYield,
                                   kPark,
                                   kUnpark,
                                   kParkShared,
                                   kUnparkShared,
                                   kRevoke,
                                   kCreateQuota,
                                   kSplitQuota,
                                   kGetQuota,
                                   kQuotaStatus,
                                   kCreateEndpoint,
                                   kCall,
                                   kCall,
                                   kCall,
                                   kReceive,
                                   kReceive,
                                   kReply,
                                   kReplyReceive,
                                   kReplyReceive};

constexpr std::uint64_t kEdges[] = {
    0,
    1,
    abi::kUserBottom - 1,
    abi::kUserBottom,
    abi::kUserTop - 2 * abi::kPageSize,
    abi::kUserTop - abi::kPageSize,
    abi::kUserTop - 1,
    abi::kUserTop,
    abi::kUserTop + abi::kPageSize,
    0xffff'7fff'ffff'ffff,
    0xffff'8000'0000'0000,
    0xffff'8000'000f'e000,
    0xffff'ffff'8020'0000,
    std::uint64_t{1} << 63,
    ~std::uint64_t{0} - abi::kPageSize,
    ~std::uint64_t{0},
};

constexpr std::uint64_t number(abi::Op op) { return static_cast<std::uint64_t>(op); }
constexpr ObjectType type_of(std::uint64_t op) { return static_cast<ObjectType>(op >> 8 & 0xff); }

// Threads in the own process: each stack is used once.
constexpr std::size_t kStacks = 6, kStackBytes = 16384;
alignas(16) std::byte stacks[kStacks][kStackBytes];
std::atomic<std::size_t> next_stack{0};

}  // namespace

HostileMind::HostileMind(const cap::Env& env, std::uint64_t seed, std::uint64_t side_entry)
    : random_(seed), side_entry_(side_entry), cpus_(env.info.cpu_count) {
    know(env, "process", ObjectType::kProcess, true);
    know(env, "puppet", ObjectType::kProcess, true);
    know(env, "puppet_in_domain", ObjectType::kProcess, true);
    know(env, "thread", ObjectType::kThread, true);
    know(env, "log", ObjectType::kLog, false);
    know(env, "domain", ObjectType::kSchedDomain, false);
    know(env, "machine", ObjectType::kMachine, false);
    know(env, "bell", ObjectType::kNotification, false);
    know(env, "post", ObjectType::kEndpoint, false);
    know(env, "shared", ObjectType::kMemory, false);
    given_count_ = known_count_;
    post_ = any_of(ObjectType::kEndpoint).slot;
}

void HostileMind::know(const cap::Env& env, std::string_view name, ObjectType type, bool own) {
    if (const auto slot = env.find_slot(name)) {
        known_[known_count_++] = {slot->raw(), type, true, own};
    }
}

const HostileMind::Known* HostileMind::find(std::uint64_t slot) const {
    const auto* const end = known_.begin() + known_count_;
    const auto* const found =
        std::find_if(known_.begin(), end, [&](const Known& each) { return each.slot == slot; });
    return found != end ? found : nullptr;
}

// One of that type, if there is any, else any.
const HostileMind::Known& HostileMind::any_of(ObjectType type) {
    const std::size_t begin = random_.below(known_count_);
    for (std::size_t i = 0; i < known_count_; ++i) {
        const Known& each = known_[(begin + i) % known_count_];
        if (each.type == type) {
            return each;
        }
    }
    return known_[begin];
}

std::uint64_t HostileMind::any_slot(std::uint64_t op) {
    switch (random_.below(16)) {
        case 0: return random_.next();
        case 1: return known_[random_.below(known_count_)].slot + (random_.next() & 3) * (1ull << 32);
        case 2:
            return abi::CapSlot{static_cast<std::uint32_t>(random_.below(4097)),
                                static_cast<std::uint32_t>(random_.below(4))}
                .raw();
        case 3:
        case 4: return known_[random_.below(known_count_)].slot;
        default: break;
    }
    // Where the others are.
    const bool meets = type_of(op) == ObjectType::kEndpoint && random_.one_in(2);
    return meets ? post_ : any_of(type_of(op)).slot;
}

std::uint64_t HostileMind::place() { return kPlayground + random_.below(64) * abi::kPageSize; }

std::uint64_t HostileMind::value() {
    switch (random_.below(14)) {
        case 0:
        case 1: return random_.below(300);
        case 2: return known_[random_.below(known_count_)].slot;
        case 3: return place();
        case 4: return place() + random_.below(abi::kPageSize);
        case 5: return reinterpret_cast<std::uint64_t>(scratch_.data());
        case 6:
        case 7: return kEdges[random_.below(std::size(kEdges))];
        case 8: return abi::map_word(random_.below(9), random_.below(9));
        case 9: return 0xffff'8000'0000'0000 | random_.next() >> 16;
        case 10: return std::uint64_t{1} << random_.below(64);
        case 11:
            return abi::ThreadRef{static_cast<std::uint32_t>(random_.below(64)),
                                  static_cast<std::uint32_t>(random_.below(16))}
                .raw();
        default: return random_.next();
    }
}

// Words, of them slots, moved or not; room, and by cap_call a time-out, which the caller knows; through the ring a place, and for a reply a
// token. The slots are mostly of something.
std::array<std::uint64_t, 4> HostileMind::message(std::uint64_t op) {
    const bool replies = op == number(kReply) || op == number(kReplyReceive);
    const std::uint64_t words = op == number(kReceive) ? 0 : random_.below(8);
    const std::uint64_t slots = std::min<std::uint64_t>(random_.below(3), words);
    const auto slot = [&] {
        return random_.one_in(6) ? any_slot(random_.next()) : known_[random_.below(known_count_)].slot;
    };
    std::uint64_t info = words | slots << 4 | std::uint64_t{random_.one_in(4)} << 6 | random_.below(9) << 8;
    if (!by_call_) {
        info |= random_.below(abi::kRingMessages) << abi::MessageInfo::kPlaceShift;
    }
    if (replies && token_count_ != 0 && random_.one_in(2)) {
        info = abi::MessageInfo{info}.with_token(tokens_[random_.below(tokens_.size())]).raw;
    }
    return {info, slot(), slot(), value()};
}

void HostileMind::write_process_params() {
    const std::uint64_t domain = any_of(ObjectType::kSchedDomain).slot;
    scratch_ = {random_.one_in(3)   ? domain
                : random_.one_in(8) ? value()
                                    : 0,
                random_.next(), random_.next(), random_.next(),
                random_.one_in(2) ? any_of(ObjectType::kQuota).slot : 0};
}

// Order: entry, stack, argument, ring address, FS base, affinity, label, first CPU.
void HostileMind::write_thread_params() {
    std::uint64_t entry = random_.one_in(8) ? value() : place();
    std::uint64_t stack = random_.one_in(8) ? value() : place();
    if (random_.one_in(4)) {
        if (const std::size_t mine = next_stack.fetch_add(1); mine < kStacks) {
            entry = side_entry_;
            stack = reinterpret_cast<std::uint64_t>(stacks[mine + 1]) - sizeof(std::uint64_t);
        }
    }
    scratch_ = {entry,
                stack,
                random_.next(),
                random_.one_in(8) ? value() : place() + random_.below(2) * abi::kRingInPlace,
                random_.one_in(8) ? value() : 0,
                random_.one_in(4) ? random_.next() : 0,
                random_.next(),
                random_.one_in(8) ? value() : random_.below(cpus_)};
}

std::array<std::uint64_t, 4> HostileMind::sound_arguments(std::uint64_t op) {
    const auto scratch = reinterpret_cast<std::uint64_t>(scratch_.data());
    const auto memory = [&] { return any_of(ObjectType::kMemory).slot; };
    switch (static_cast<abi::Op>(op)) {
        case kDerive: return {random_.below(32), random_.one_in(2) ? value() : 0};
        case kCreateProcess: write_process_params(); return {scratch};
        case kCreateThread: write_thread_params(); return {scratch};
        case kCreateMemory:
            return {1 + random_.below(random_.one_in(256) ? 1024 : 4) |
                    (random_.one_in(3) ? abi::kDemandZero : 0)};
        case kCreateTimer: return {any_of(ObjectType::kNotification).slot, 1 + random_.below(255)};
        case kSetFaultHandler:
        case kSetProcessFaultHandler: return {any_of(ObjectType::kNotification).slot, 1 + random_.below(255)};
        case kEndFault: return {random_.below(2)};
        case kArm:
            return {random_.below(1'000'000),
                    random_.one_in(3) ? abi::kMinTimerPeriodNs + random_.below(1'000'000) : 0,
                    random_.below(2)};
        case kSplit:
        case kPin: return {random_.below(4), 1 + random_.below(4)};
        case kMap:
            return {memory(), place(), random_.below(4),
                    abi::map_word(1 + random_.below(4), random_.below(8))};
        case kUnmap: return {place(), 1 + random_.below(random_.one_in(16) ? 512 : 8)};
        case kProtect: return {place(), 1 + random_.below(4), random_.below(8)};
        case kGive:
            return {known_[random_.below(known_count_)].slot, random_.below(32),
                    random_.one_in(2) ? value() : 0, random_.one_in(8) ? abi::kGiveMove : 0};
        case kSetAffinity: return {1 + random_.below(15)};
        case kGetStatus: return {scratch};
        case kSignal: return {random_.below(256)};
        case kAttach: return {place() + 0x1000'0000};
        case kAddAgent:
            return {any_of(ObjectType::kThread).slot, random_.below(cpus_), place() + 0x2000'0000};
        case kCommit:
            return {value(),
                    abi::commit_word(static_cast<std::uint32_t>(random_.below(8)),
                                     static_cast<std::uint32_t>(random_.below(cpus_)),
                                     static_cast<std::uint32_t>(random_.below(8))),
                    random_.next() >> random_.below(64)};
        case kCall:
        case kReceive:
        case kReply:
        case kReplyReceive: return message(op);
        case kPark: return {scratch, static_cast<std::uint32_t>(scratch_[0]), random_.below(60'000)};
        case kUnpark: return {scratch, random_.below(3)};
        case kParkShared: return {random_.below(8) * 4, 0, random_.below(60'000)};
        case kUnparkShared: return {random_.below(8) * 4, random_.below(3)};
        case kPoll: return {random_.next(), random_.one_in(2) ? 1 + random_.below(15) : 0, random_.next()};
        case kTakeCpu:
        case kReclaimCpu:
        case kReturnCpu: return {random_.below(cpus_)};
        case kLendCpu: return {random_.below(cpus_), any_of(ObjectType::kSchedDomain).slot};
        case kWakeLedger: return {random_.below(abi::kMaxThreads), scratch};
        case kLogWrite: return {scratch, random_.below(16)};
        case kCpuStats: return {random_.below(cpus_), scratch};
        case kGetQuota:
        case kQuotaStatus: return {scratch};
        case kCreateQuota:
        case kSplitQuota: return {random_.next() >> (40 + random_.below(24)), random_.below(8)};
        default: return {random_.next() >> random_.below(64)};
    }
}

// See the header's contract.
void HostileMind::restrain(Operation& operation) {
    const auto op = static_cast<abi::Op>(operation.op);
    const Known* const target = find(operation.slot);
    const bool ends = op == kKillProcess || op == kKillThread || op == kDrop;
    // Itself; or another seat, by what that has sent.
    if (target != nullptr && ends && (target->given || (target->foreign && op != kDrop)) &&
        !random_.one_in(200)) {
        operation.op = number(kNop);
    }
    // It would stand still until the test looks.
    if (op == kSuspend && (target == nullptr || target->own || target->foreign) && !random_.one_in(16)) {
        operation.op = number(kResume);
    }
    if ((op == kSetFaultHandler || op == kSetProcessFaultHandler) && (target == nullptr || target->own) &&
        !random_.one_in(16)) {
        operation.op = number(kGetFault);
    }
    if ((op == kPark || op == kParkShared) && !random_.one_in(4000)) {
        operation.args[2] %= 60'000;
    }
    if (by_call_ && op >= kCall && op <= kReplyReceive && !random_.one_in(4000)) {
        operation.args[0] |= op == kReply ? 0 : 1 << 7;
    }
    // Or take a CPU for as long as it lives.
    if (op == kPoll) {
        operation.args[0] %= 50'000;
    }
    if (op == kLogWrite && !random_.one_in(8)) {
        operation.op = number(kIdentify);
    }
    if (op == kCreateThread || op == kGive) {
        const auto may_be_process = [](const Known* known) {
            return known == nullptr || known->type == ObjectType::kProcess ||
                   known->type == ObjectType::kNone;
        };
        const bool lasts = op == kCreateThread || may_be_process(find(operation.args[0]));
        if (lasts && may_be_process(target) && (target == nullptr || !target->own)) {
            operation.slot = known_[random_.below(3)].slot;
        }
    }
}

Operation HostileMind::think(bool wide) {
    Operation made;
    by_call_ = wide;
    switch (random_.below(16)) {
        case 0: made.op = random_.next() & 0xffff; break;
        case 1: made.op = random_.below(13) << 8 | random_.below(24); break;  // types to come as well
        default: made.op = number(kOperations[random_.below(std::size(kOperations))]);
    }
    if (wide && random_.one_in(32)) {
        made.op |= random_.next() << 16;
    }
    made.slot = any_slot(made.op);
    if (random_.one_in(3)) {
        for (std::uint64_t& arg : made.args) {
            arg = value();
        }
        if (made.op == number(kCreateMemory)) {
            made.args[0] =
                random_.one_in(64) ? made.args[0] : (made.args[0] & abi::kDemandZero) | made.args[0] % 16;
        }
    } else {
        made.args = sound_arguments(made.op);
    }
    // Its own pages: then it dies soon.
    if ((made.op == number(kUnmap) || made.op == number(kProtect)) && random_.one_in(500)) {
        made.args[0] = random_.one_in(2) ? 0x40'0000 + random_.below(64) * abi::kPageSize : 0x7001'0000;
    }
    restrain(made);
    return made;
}

void HostileMind::learn(const Operation& done, std::int64_t result) {
    ObjectType type{};
    switch (static_cast<abi::Op>(done.op)) {
        case kReceive:
        case kReplyReceive:
            if (const auto token = abi::MessageInfo{static_cast<std::uint64_t>(result)}.token();
                result > 0 && token != 0) {
                tokens_[token_count_++ % tokens_.size()] = token;
            }
            return;
        case kCreateProcess: type = ObjectType::kProcess; break;
        case kCreateThread: type = ObjectType::kThread; break;
        case kCreateMemory: type = ObjectType::kMemory; break;
        case kCreateNotification: type = ObjectType::kNotification; break;
        case kCreateQuota:
        case kSplitQuota: type = ObjectType::kQuota; break;
        case kPoll: type = ObjectType::kThread; break;
        case kCreateTimer: type = ObjectType::kTimer; break;
        case kSplit: type = ObjectType::kMemory; break;
        case kCreateEndpoint: type = ObjectType::kEndpoint; break;
        case kCreateDomain: type = ObjectType::kSchedDomain; break;
        case kDerive:
            if (const Known* const from = find(done.slot)) {
                type = from->type;
            }
            break;
        default: return;
    }
    if (result > 0 && known_count_ < known_.size()) {
        const Known* const from = done.op == number(kDerive) ? find(done.slot) : nullptr;
        known_[known_count_++] = {static_cast<std::uint64_t>(result), type, false,
                                  from != nullptr && from->own};
    }
}

bool HostileMind::take_gift(std::uint64_t slot) {
    const auto said = cap::cap_call(abi::CapSlot::from_raw(slot), kIdentify).result;
    if (said < 0) {
        return false;
    }
    if (known_count_ < known_.size()) {
        const auto type = static_cast<ObjectType>(static_cast<std::uint32_t>(said));
        known_[known_count_++] = {slot, type, false, false, true};
    }
    return true;
}

std::uint64_t HostileMind::surplus() {
    if (known_count_ + 4 < known_.size()) {
        return 0;
    }
    const std::uint64_t slot = known_[given_count_].slot;
    std::copy(known_.begin() + given_count_ + 1, known_.begin() + known_count_,
              known_.begin() + given_count_);
    --known_count_;
    return slot;
}

}  // namespace test
