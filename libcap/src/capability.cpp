// SPDX-License-Identifier: MIT
//
// Operations on any capability, and on the small types: log, machine, scheduling domain.
#include "cap/capability.hpp"

#include "cap/log.hpp"
#include "cap/machine.hpp"
#include "cap/sched_domain.hpp"

namespace cap {

Result<Capability::Identity> Capability::identify() const {
    const CallResult called = cap_call(slot_, abi::Op::kIdentify);
    const std::uint64_t word = TRY(to_result(called.result));
    return Identity{.type = static_cast<abi::ObjectType>(static_cast<std::uint32_t>(word)),
                    .rights = static_cast<abi::Rights>(word >> 32),
                    .badge = called.result2};
}

Result<abi::CapSlot> Capability::derive(abi::Rights rights, std::uint64_t badge) const {
    return abi::CapSlot::from_raw(TRY(call(abi::Op::kDerive, rights, badge)));
}

Result<void> Capability::revoke() const {
    for (;;) {
        const CallResult called = cap_call(slot_, abi::Op::kRevoke);
        TRY(to_result(called.result));
        if (called.result2 == 0) {
            return {};
        }
    }
}

void Log::write(std::string_view line) const {
    (void)call(abi::Op::kLogWrite, reinterpret_cast<std::uint64_t>(line.data()), line.size());
}

Result<abi::CpuStats> Machine::cpu_stats(std::uint32_t cpu) const {
    abi::CpuStats stats{};
    TRY(invoke(abi::Op::kCpuStats, cpu, reinterpret_cast<std::uint64_t>(&stats)));
    return stats;
}

Result<Irq> Machine::irq(std::uint64_t line, std::uint16_t first_port, std::uint64_t ports) const {
    return Irq(abi::CapSlot::from_raw(TRY(call(abi::Op::kGetIrq, line, first_port, ports))));
}

Result<void> Machine::power_off(abi::ExitCode code) const {
    return invoke(abi::Op::kPowerOff, static_cast<std::uint64_t>(code));
}

Result<std::uint16_t> SchedDomain::attach(std::uint64_t table_address, std::uint64_t hints_address) const {
    return static_cast<std::uint16_t>(TRY(call(abi::Op::kAttach, table_address, hints_address)));
}

Result<void> SchedDomain::detach() const { return invoke(abi::Op::kDetach); }

Result<void> SchedDomain::add_agent(Thread thread, std::uint32_t cpu,
                                    std::uint64_t event_ring_address) const {
    return invoke(abi::Op::kAddAgent, thread.slot().raw(), cpu, event_ring_address);
}

Result<void> SchedDomain::commit(abi::ThreadRef ref, std::uint32_t sequence, std::uint32_t cpu,
                                 std::uint32_t flags, std::uint64_t slice_ns) const {
    return invoke(abi::Op::kCommit, ref.raw(), abi::commit_word(sequence, cpu, flags), slice_ns);
}

Result<void> SchedDomain::take_cpu(std::uint32_t cpu) const { return invoke(abi::Op::kTakeCpu, cpu); }
Result<void> SchedDomain::return_cpu(std::uint32_t cpu) const { return invoke(abi::Op::kReturnCpu, cpu); }

Result<SchedDomain> SchedDomain::create_child() const {
    return SchedDomain(abi::CapSlot::from_raw(TRY(call(abi::Op::kCreateDomain))));
}
Result<void> SchedDomain::lend_cpu(std::uint32_t cpu, SchedDomain child) const {
    return invoke(abi::Op::kLendCpu, cpu, child.slot().raw());
}
Result<void> SchedDomain::reclaim_cpu(std::uint32_t cpu) const { return invoke(abi::Op::kReclaimCpu, cpu); }

Result<abi::WakeLedger> SchedDomain::wake_ledger(std::uint64_t line) const {
    abi::WakeLedger ledger{};
    for (;;) {
        const auto reply =
            cap_call(slot(), abi::Op::kWakeLedger, line, reinterpret_cast<std::uint64_t>(&ledger));
        if (reply.result < 0) {
            return fail(static_cast<abi::Error>(reply.result));
        }
        if (reply.result == 1) {  // else the thread has moved while it was read
            return ledger;
        }
    }
}

}  // namespace cap
