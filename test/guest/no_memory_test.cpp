// SPDX-License-Identifier: MIT
//
// No frame is left: whatever needs one is refused with kNoMemory, and works when there is memory again.
#include "cap/endpoint.hpp"
#include "cap/sched_domain.hpp"
#include "suite.hpp"
#include "support/domain_server.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;
using abi::Error;
using abi::Op;

// Holds every frame that there is. One at a time.
class Drought {
public:
    explicit Drought(const cap::Env& env) {
        for (std::uint64_t pages = abi::kMaxPagesPerObject; pages != 0 && count_ < held.size();) {
            if (const auto memory = env.process.create_memory(pages)) {
                held[count_++] = *memory;
            } else {
                pages /= 2;
            }
        }
    }
    Drought(const Drought&) = delete;
    Drought& operator=(const Drought&) = delete;
    ~Drought() {
        while (count_ != 0) held[--count_].drop();
    }

private:
    static std::array<cap::Memory, 512> held;
    std::size_t count_ = 0;
};
std::array<cap::Memory, 512> Drought::held;

// Until it is refused: there may be room left in what the kernel has taken before. What it gave is dropped.
class UntilRefused {
public:
    Error operator()(const Request& request) {
        for (;;) {
            const auto& a = request.args;
            const auto reply = cap::cap_call(request.slot, request.op, a[0], a[1], a[2], a[3]);
            if (reply.result < 0) return error_of(reply.result);
            if (count_ == slots.size()) return Error::kOk;
            slots[count_++] = abi::CapSlot::from_raw(static_cast<std::uint64_t>(reply.result));
        }
    }
    UntilRefused() = default;
    UntilRefused(const UntilRefused&) = delete;
    UntilRefused& operator=(const UntilRefused&) = delete;
    ~UntilRefused() {
        while (count_ != 0) cap::Capability(slots[--count_]).drop();
    }

private:
    static std::array<abi::CapSlot, 4096> slots;
    std::size_t count_ = 0;
};
std::array<abi::CapSlot, 4096> UntilRefused::slots;

void objects(Case& t) {
    const auto process = t.env.process.slot();
    const abi::ProcessParams params{};
    const Owned quota(MUST(t, t.env.process.create_quota(1 << 20, 0)));
    for (int round = 0; round < 2; ++round) {
        const Drought drought(t.env);
        {
            UntilRefused split;
            REQUIRE_EQUAL(t, split({Op::kSplitQuota, quota->slot()}), Error::kNoMemory);
        }
        {
            UntilRefused create;
            REQUIRE_EQUAL(t, create({Op::kCreateNotification, process}), Error::kNoMemory);
        }
        UntilRefused create;
        REQUIRE_EQUAL(t, create({Op::kCreateProcess, process, {reinterpret_cast<std::uint64_t>(&params)}}),
                      Error::kNoMemory);
    }
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const Owned created(MUST(t, t.env.process.create_process("after")));
}

// Timers and interrupts are small: what the kernel has left for such is used up first.
void small_objects(Case& t) {
    const auto process = t.env.process.slot();
    const Owned bell(MUST(t, t.env.process.create_notification()));
    {
        const Drought drought(t.env);
        UntilRefused create;
        REQUIRE_EQUAL(t, create({Op::kCreateNotification, process}), Error::kNoMemory);
        REQUIRE_EQUAL(t, by_call({Op::kCreateTimer, process, {bell->slot().raw(), 1}}), Error::kNoMemory);
        REQUIRE_EQUAL(t, by_call({Op::kGetIrq, t.machine.slot(), {5}}), Error::kNoMemory);
    }
    const Owned timer(MUST(t, t.env.process.create_timer(*bell, 1)));
    const Owned irq(MUST(t, t.machine.irq(5)));
}

// Pages that have no frame yet.
void on_demand(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory_on_demand(8)));
    const std::uint64_t address = MUST(t, t.env.space.reserve(8));
    REQUIRE_OK(t, t.env.process.map(*memory, address, 0, 8, abi::kRead | abi::kWrite));
    {
        const Drought drought(t.env);
        REQUIRE_EQUAL(t, by_call({Op::kPin, memory->slot(), {0, 8}}), Error::kNoMemory);
        REQUIRE_EQUAL(t, by_call({Op::kSplit, memory->slot(), {0, 8}}), Error::kNoMemory);
        REQUIRE_EQUAL(t, by_call({Op::kParkShared, memory->slot(), {0, 1, abi::kForever}}), Error::kNoMemory);
        REQUIRE_EQUAL(t, by_call({Op::kGetStatus, t.env.thread.slot(), {address}}), Error::kBadAddress);
        REQUIRE_EQUAL(t, by_call({Op::kPark, t.env.process.slot(), {address, 1, abi::kForever}}),
                      Error::kBadAddress);
        REQUIRE_EQUAL(t, MUST(t, memory->resident_pages()), 0u);
    }
    REQUIRE_EQUAL(t, by_call({Op::kPark, t.env.process.slot(), {address, 1, abi::kForever}}),
                  Error::kValueChanged);
    REQUIRE_OK(t, memory->pin(0, 8));
    REQUIRE_OK(t, t.env.process.unmap(address, 8));
}

// The own table and another's: neither can grow.
void capabilities(Case& t) {
    const Owned target(MUST(t, t.env.process.create_process("target")));
    {
        const Drought drought(t.env);
        const auto give = [&] {
            for (;;) {
                const Error error = by_call({Op::kGive, target->slot(), {target->slot().raw(), abi::kRead}});
                if (error != Error::kOk) return error;
            }
        };
        REQUIRE_EQUAL(t, give(), Error::kNoMemory);
        UntilRefused derive;
        REQUIRE_EQUAL(t, derive({Op::kDerive, target->slot(), {abi::kRead}}), Error::kNoMemory);
    }
    REQUIRE_OK(t, target->give(target->slot(), abi::kRead));
}

// The first message through a thread's ring needs room in the kernel.
void messages(Case& t) {
    const Owned<cap::Endpoint> endpoint(MUST(t, cap::Endpoint::create(t.env.process)));
    const Drought drought(t.env);
    REQUIRE_EQUAL(t, by_ring(t.env, {Op::kCall, endpoint->slot()}), Error::kNoMemory);
    REQUIRE_EQUAL(t, by_ring(t.env, {Op::kReceive, endpoint->slot()}), Error::kNoMemory);
}

// There is memory, but no slot for what is made.
void full_table(Case& t) {
    abi::ThreadParams params{};
    params.ring_address = 0x6000'0000'0000;
    const Owned quota(MUST(t, t.env.process.create_quota(1 << 20, 0)));
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    UntilRefused derive;
    REQUIRE_EQUAL(t, derive({Op::kDerive, t.env.process.slot(), {0}}), Error::kNoSlot);
    REQUIRE_EQUAL(t, by_call({Op::kSplitQuota, quota->slot()}), Error::kNoSlot);
    const auto create_thread = [&] {
        return by_call({Op::kCreateThread, t.env.process.slot(), {reinterpret_cast<std::uint64_t>(&params)}});
    };
    REQUIRE_EQUAL(t, create_thread(), Error::kNoSlot);
    REQUIRE_EQUAL(t, by_call({Op::kCreateEndpoint, t.env.process.slot()}), Error::kNoSlot);
    REQUIRE_EQUAL(t, by_call({Op::kGetIrq, t.machine.slot(), {5}}), Error::kNoSlot);
    REQUIRE_EQUAL(t, by_call({Op::kCreateDomain, *t.env.find_slot("domain")}), Error::kNoSlot);
    REQUIRE_EQUAL(t, by_call({Op::kSplit, memory->slot(), {0, 1}}), Error::kNoSlot);
}

std::uint64_t never(cap::Ring&, void*) { return 0; }

// Mappings that the kernel makes: they need page tables.
void servers(Case& t) {
    const auto domain = *t.env.find_slot("domain");
    constexpr std::uint64_t kFar = 0x6000'0000'0000;
    {
        const Drought drought(t.env);
        REQUIRE_EQUAL(t, by_call({Op::kCreateDomain, domain}), Error::kNoMemory);
        REQUIRE_EQUAL(t, by_call({Op::kAttach, domain, {kFar}}), Error::kNoMemory);
    }
    const DomainServer server(t, 0);
    const auto thread = MUST(t, Sibling::create(t.env, never, nullptr));
    const auto add = [&] { return by_call({Op::kAddAgent, domain, {thread->slot().raw(), 0, kFar}}); };
    {
        const Drought drought(t.env);
        REQUIRE_EQUAL(t, add(), Error::kNoMemory);
    }
    REQUIRE_EQUAL(t, add(), Error::kOk);
    REQUIRE_OK(t, t.env.process.unmap(kFar, abi::kEventRingPages));
}

constexpr Entry kCases[] = {{"objects", objects},     {"small_objects", small_objects},
                            {"on_demand", on_demand}, {"capabilities", capabilities},
                            {"messages", messages},   {"full_table", full_table},
                            {"servers", servers}};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "no_memory", kCases); }
