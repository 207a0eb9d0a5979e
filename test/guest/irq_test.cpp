// SPDX-License-Identifier: MIT
//
// Interrupts: who has a line and its ports, and a driver in user space, of the real-time clock, whose interrupts come as completions.
// docs/abi.md, "Irq".
#include "suite.hpp"
#include "support/child.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/rtc.hpp"
#include "support/sibling.hpp"

namespace {

using namespace test;
using abi::Error;

void who_has_it(Case& t) {
    for (const std::uint64_t line : {std::uint64_t{48}, std::uint64_t{1} << 32, ~std::uint64_t{0}}) {
        REQUIRE_ERROR(t, t.machine.irq(line), Error::kBadArgument);
    }
    struct Ports {
        std::uint64_t first, count;
        Error error;
    };
    constexpr Ports kPorts[] = {
        {0x10000, 1, Error::kBadArgument},
        {0xffff, 2, Error::kBadArgument},
        {~0ull, 2, Error::kBadArgument},
        {0x1000, abi::kMaxIrqPorts + 1, Error::kBadArgument},
        {0x1000, ~0ull, Error::kBadArgument},
        {0x3f8, 1,
         Error::
             kBusy},  // the kernel's own: the log's serial port, QEMU's exit, the old interrupt controllers
        {0x3f0, 16, Error::kBusy},
        {0xf4, 1, Error::kBusy},
        {0x21, 1, Error::kBusy},
        {0xa0, 1, Error::kBusy},
    };
    for (const Ports& ports : kPorts) {
        const Request request{abi::Op::kGetIrq, t.machine.slot(), {Rtc::kLine, ports.first, ports.count}};
        REQUIRE_EQUAL(t, by_call(request), ports.error);
        REQUIRE_EQUAL(t, by_ring(t.env, request), ports.error);
    }
    for (int round = 0; round < 3; ++round) {
        const Owned mine(MUST(t, Rtc::claim(t.machine)));
        REQUIRE_ERROR(t, t.machine.irq(Rtc::kLine), Error::kBusy);
        REQUIRE_ERROR(t, t.machine.irq(5, Rtc::kData, 1), Error::kBusy);
        const Owned other(MUST(t, t.machine.irq(5, Rtc::kData + 1, 2)));
        REQUIRE_ERROR(t, t.machine.irq(5), Error::kBusy);
    }
    const auto observer = MUST(t, derive(t.machine, abi::kRead));
    REQUIRE_ERROR(t, observer->irq(Rtc::kLine), Error::kNoRight);
}

void ports(Case& t) {
    const Owned irq(MUST(t, Rtc::claim(t.machine)));
    struct Access {
        std::uint64_t port, width, value;
    };
    constexpr Access kRefused[] = {
        {0x70, 0, 0},    {0x70, 3, 0},  {0x70, 8, 0},  {0x70, ~0ull, 0}, {0x6f, 1, 0},
        {0x72, 1, 0},    {0x71, 2, 0},  {0x70, 4, 0},  {0x6f, 2, 0},     {~0ull, 1, 0},
        {0x10070, 1, 0}, {~0ull, 2, 0}, {0x3f8, 1, 0},
    };
    for (const Access& access : kRefused) {
        REQUIRE_EQUAL(t, by_call({abi::Op::kPortRead, irq->slot(), {access.port, access.width}}),
                      Error::kBadArgument);
        REQUIRE_EQUAL(t, by_call({abi::Op::kPortWrite, irq->slot(), {access.port, access.width, 0}}),
                      Error::kBadArgument);
    }
    REQUIRE_EQUAL(t, by_call({abi::Op::kPortWrite, irq->slot(), {0x70, 1, 0x100}}), Error::kBadArgument);
    REQUIRE_EQUAL(t, by_call({abi::Op::kPortWrite, irq->slot(), {0x70, 2, 0x10000}}), Error::kBadArgument);
    // As decimal digits.
    const std::uint8_t seconds = MUST(t, Rtc(*irq).seconds());
    REQUIRE(t, (seconds & 0xf) < 10 && seconds >> 4 < 6);
    // Port 0x80 takes what it is told, in any width.
    const Owned wide(MUST(t, t.machine.irq(5, 0x80, 4)));
    REQUIRE_OK(t, wide->write8(0x80, 1));
    REQUIRE_OK(t, wide->write16(0x80, 0x101));
    REQUIRE_OK(t, wide->write32(0x80, 0x1010101));
    REQUIRE_OK(t, wide->read16(0x80));
    REQUIRE_OK(t, wide->read32(0x80));
}

void binding(Case& t) {
    const Owned irq(MUST(t, Rtc::claim(t.machine)));
    const Owned bell(MUST(t, t.env.process.create_notification()));
    REQUIRE_ERROR(t, irq->acknowledge(), Error::kWrongState);
    REQUIRE_ERROR(t, irq->bind(*bell, 0), Error::kBadArgument);
    REQUIRE_ERROR(t, irq->bind(*bell, 1ull << 63), Error::kBadArgument);
    REQUIRE_ERROR(t, irq->bind(cap::Notification(), 1), Error::kBadSlot);
    REQUIRE_ERROR(t, irq->bind(cap::Notification(irq->slot()), 1), Error::kWrongType);
    const auto reader = MUST(t, derive(*bell, abi::kRead));
    REQUIRE_ERROR(t, irq->bind(*reader, 1), Error::kNoRight);
    const cap::Notification stale = MUST(t, t.env.process.create_notification());
    stale.drop();
    REQUIRE_ERROR(t, irq->bind(stale, 1), Error::kStaleSlot);
    REQUIRE_ERROR(t, irq->acknowledge(), Error::kWrongState);
    REQUIRE_OK(t, irq->bind(*bell, 1));
    REQUIRE_EQUAL(t, MUST(t, irq->acknowledge()), 0u);
    REQUIRE_EQUAL(t, by_ring(t.env, {abi::Op::kAckIrq, irq->slot()}), Error::kOk);
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 0u);
}

// A device's interrupt is a completion in the driver's ring.
void completions(Case& t) {
    const Owned irq(MUST(t, Rtc::claim(t.machine)));
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const Rtc rtc(*irq);
    REQUIRE_OK(t, irq->bind(*bell, 4));
    REQUIRE_OK(t, rtc.start(Rtc::kFast));
    for (std::uint64_t i = 0; i < 50; ++i) {
        REQUIRE_OK(t, t.env.ring.prepare(cap::submission(abi::Op::kWaitBits, bell->slot(), i)));
        REQUIRE_OK(t, t.env.ring.submit_and_wait(1, patience_ns));
        const auto completion = t.env.ring.next();
        REQUIRE_EQUAL(t, completion->user_data, i);
        REQUIRE_EQUAL(t, completion->result, 4);
        REQUIRE_OK(t, rtc.take());
        REQUIRE(t, MUST(t, irq->acknowledge()) >= 1);
    }
    // Bound elsewhere it goes there.
    const Owned other(MUST(t, t.env.process.create_notification()));
    REQUIRE_OK(t, irq->bind(*other, 1));
    (void)MUST(t, bell->poll());
    REQUIRE_OK(t, rtc.take());
    REQUIRE_EQUAL(t, MUST(t, other->wait(t.env.ring, patience_ns)), 1u);
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 0u);
    REQUIRE_OK(t, rtc.stop());
}

// A driver that serves its device and never acknowledges is told once, however often the device interrupts; one that does then is
// told of what it has missed.
void unacknowledged(Case& t) {
    const Owned irq(MUST(t, Rtc::claim(t.machine)));
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const Rtc rtc(*irq);
    REQUIRE_OK(t, irq->bind(*bell, 1));
    REQUIRE_OK(t, rtc.start(Rtc::kFast));
    for (int round = 0; round < 3; ++round) {
        REQUIRE_EQUAL(t, MUST(t, bell->wait(t.env.ring, patience_ns)), 1u);
        for (int i = 0; i < 20; ++i) {
            REQUIRE(t, eventually(t.env.clock, [&] { return rtc.take().value_or(false); }));
        }
        REQUIRE_EQUAL(t, MUST(t, bell->poll()), 0u);
        REQUIRE(t, MUST(t, irq->acknowledge()) >= 1);
    }
    REQUIRE_OK(t, rtc.stop());
}

struct Turn {
    cap::Irq irq;
    cap::Notification bell;
    std::atomic<std::uint64_t> served{0};
};

std::uint64_t serve_some(cap::Ring& ring, void* argument) {
    auto& turn = *static_cast<Turn*>(argument);
    for (int i = 0; i < 5; ++i) {
        if (!turn.bell.wait(ring, patience_ns) || !Rtc(turn.irq).take() || !turn.irq.acknowledge()) {
            return 1;
        }
        ++turn.served;
    }
    return 0;
}

// The interrupts go with the driver from CPU to CPU.
void on_each_cpu(Case& t) {
    const Owned irq(MUST(t, Rtc::claim(t.machine)));
    const Owned bell(MUST(t, t.env.process.create_notification()));
    REQUIRE_OK(t, irq->bind(*bell, 1));
    REQUIRE_OK(t, Rtc(*irq).start(Rtc::kFast));
    Turn turn{*irq, *bell};
    for (std::uint64_t round = 0; round < 2 * t.cpus(); ++round) {
        const auto driver =
            MUST(t, Sibling::start(t.env, serve_some, &turn, {.affinity = only(round % t.cpus())}));
        REQUIRE(t, driver.wait());
        REQUIRE_EQUAL(t, turn.served.load(), 5 * (round + 1));
    }
    REQUIRE_OK(t, Rtc(*irq).stop());
}

// A driver in another process, which has been given the line and nothing else of the machine. It ends without giving it back.
void driver_process(Case& t) {
    for (int round = 0; round < 2; ++round) {
        const Owned bell(MUST(t, t.env.process.create_notification()));
        Owned irq(MUST(t, Rtc::claim(t.machine)));
        const cap::GivenCap caps[] = {{"irq", irq->slot(), abi::kRead | abi::kWrite},
                                      {"bell", bell->slot(), abi::kWrite}};
        const auto child = MUST(t, Child::create(t.env, "mode=rtc value=10", {.caps = caps}));
        irq = {};
        REQUIRE_ERROR(t, Rtc::claim(t.machine), Error::kBusy);
        REQUIRE_OK(t, child->thread.start());
        REQUIRE_EQUAL(t, MUST(t, bell->wait(t.env.ring, patience_ns)), 1u);
        REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), kDoneExitCode);
    }
    REQUIRE(t, eventually(t.env.clock, [&] {
                const auto irq = Rtc::claim(t.machine);
                const bool free = irq && Rtc(*irq).stop();
                if (irq) {
                    irq->drop();
                }
                return free;
            }));
}

// The last capability goes while interrupts come: the line is masked, and the next one to have it finds it so.
void dropped_in_use(Case& t) {
    for (int round = 0; round < 20; ++round) {
        Owned irq(MUST(t, Rtc::claim(t.machine)));
        const Owned bell(MUST(t, t.env.process.create_notification()));
        REQUIRE_OK(t, irq->bind(*bell, 1));
        REQUIRE_OK(t, Rtc(*irq).start(Rtc::kFast));
        REQUIRE_EQUAL(t, MUST(t, bell->wait(t.env.ring, patience_ns)), 1u);
        irq = {};
        REQUIRE_EQUAL(t, MUST(t, bell->poll()), 0u);
    }
}

constexpr Entry kCases[] = {
    {"who_has_it", who_has_it},
    {"ports", ports},
    {"binding", binding},
    {"completions", completions},
    {"unacknowledged", unacknowledged},
    {"on_each_cpu", on_each_cpu},
    {"driver_process", driver_process},
    {"dropped_in_use", dropped_in_use},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "irq", kCases); }
