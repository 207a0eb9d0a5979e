// SPDX-License-Identifier: MIT
//
// Page faults that another process resolves: docs/abi.md, "Page faults".
// Long because each way in which a fault can end is a case, and they share their ward and their crew.
#include "cap/endpoint.hpp"
#include "suite.hpp"
#include "support/child.hpp"
#include "support/crew.hpp"
#include "support/doors.hpp"
#include "support/faults.hpp"
#include "support/owned.hpp"
#include "support/random.hpp"
#include "support/sibling.hpp"

#include <array>
#include <atomic>

namespace {

using namespace test;
using abi::Error;

constexpr std::uint64_t kPage = abi::kPageSize;
constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite;
constexpr std::uint64_t kPlace = 0x5000'0000;  // where a child has nothing

// A child that uses kPlace in some way, and whose faults come here.
struct Ward {
    Owned<cap::Notification> bell;
    std::optional<Child> child;

    static cap::Result<Ward> start(const cap::Env& env, std::string_view mode, std::uint64_t address) {
        Ward made;
        made.bell = Owned(TRY(env.process.create_notification()));
        cap::LineBuffer<64> arguments;
        arguments.print("mode={} value={}", mode, address);
        made.child.emplace(TRY(Child::create(env, arguments.view(), {})));
        TRY(made.thread().set_fault_handler(*made.bell, 1));
        TRY(made.thread().start());
        return made;
    }
    [[nodiscard]] cap::Thread thread() const { return (*child)->thread; }
    [[nodiscard]] cap::Process process() const { return (*child)->process; }
    // Waits for its next fault.
    [[nodiscard]] cap::Result<cap::Thread::Fault> next(const cap::Env& env) const {
        TRY(bell->wait(env.ring, patience_ns));
        return thread().fault();
    }
};

void mapped_then(Case& t) {
    struct Row {
        std::string_view mode;
        abi::Rights access;
    };
    const Owned memory(MUST(t, t.env.process.create_memory(2)));
    for (const Row row : {Row{"read", abi::kRead}, Row{"write", abi::kWrite}}) {
        const auto ward = MUST(t, Ward::start(t.env, row.mode, kPlace + 0x123));
        const auto fault = MUST(t, ward.next(t.env));
        REQUIRE_EQUAL(t, fault.address, kPlace + 0x123);
        REQUIRE_EQUAL(t, fault.access, row.access);
        REQUIRE(t, !fault.mapped);
        REQUIRE_EQUAL(t, ward.thread().status()->word.state(), abi::ThreadState::kWaiting);
        REQUIRE_OK(t, ward.process().map(*memory, kPlace, 0, 1, kReadWrite));
        REQUIRE_OK(t, ward.thread().retry_fault());
        REQUIRE_EQUAL(t, MUST(t, ward.child->wait(t.env)), kDoneExitCode);
        REQUIRE_ERROR(t, ward.thread().fault(), Error::kWrongState);
        REQUIRE_ERROR(t, ward.thread().retry_fault(), Error::kWrongState);
    }
    // What it wrote is there.
    const std::uint64_t here = MUST(t, t.env.space.reserve(1));
    REQUIRE_OK(t, t.env.process.map(*memory, here, 0, 1, abi::kRead));
    REQUIRE_EQUAL(t, *reinterpret_cast<std::uint8_t*>(here + 0x123), 1u);
    REQUIRE_OK(t, t.env.process.unmap(here, 1));
}

// What is mapped and may not be done is a fault as well; it comes as often as nothing is done about it.
void protected_then(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const auto ward = MUST(t, Ward::start(t.env, "write", kPlace));
    REQUIRE(t, !MUST(t, ward.next(t.env)).mapped);
    REQUIRE_OK(t, ward.process().map(*memory, kPlace, 0, 1, abi::kRead));
    REQUIRE_OK(t, ward.thread().retry_fault());
    for (int i = 0; i < 3; ++i) {
        const auto fault = MUST(t, ward.next(t.env));
        REQUIRE(t, fault.mapped);
        REQUIRE_EQUAL(t, fault.access, abi::kWrite);
        REQUIRE_EQUAL(t, fault.address, kPlace);
        if (i == 2) {
            REQUIRE_OK(t, ward.process().protect(kPlace, 1, kReadWrite));
        }
        REQUIRE_OK(t, ward.thread().retry_fault());
    }
    REQUIRE_EQUAL(t, MUST(t, ward.child->wait(t.env)), kDoneExitCode);
}

void executed(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const auto ward = MUST(t, Ward::start(t.env, "call", kPlace));
    const auto first = MUST(t, ward.next(t.env));
    REQUIRE_EQUAL(t, first.address, kPlace);
    REQUIRE_EQUAL(t, first.access, abi::kExecute);
    REQUIRE(t, !first.mapped);
    REQUIRE_OK(t, ward.process().map(*memory, kPlace, 0, 1, kReadWrite));
    REQUIRE_OK(t, ward.thread().retry_fault());
    REQUIRE(t, MUST(t, ward.next(t.env)).mapped);
    const std::uint64_t here = MUST(t, t.env.space.reserve(1));
    REQUIRE_OK(t, t.env.process.map(*memory, here, 0, 1, kReadWrite));
    *reinterpret_cast<std::uint8_t*>(here) = 0xc3;  // ret
    REQUIRE_OK(t, t.env.process.unmap(here, 1));
    REQUIRE_OK(t, ward.process().protect(kPlace, 1, abi::kRead | abi::kExecute));
    REQUIRE_OK(t, ward.thread().retry_fault());
    REQUIRE_EQUAL(t, MUST(t, ward.child->wait(t.env)), kDoneExitCode);
}

void refused(Case& t) {
    const auto ward = MUST(t, Ward::start(t.env, "read", kPlace));
    REQUIRE_OK(t, ward.next(t.env));
    REQUIRE_OK(t, ward.thread().refuse_fault());
    REQUIRE_EQUAL(t, MUST(t, ward.child->wait(t.env)), kFaultExitCode);
}

void killed(Case& t) {
    const auto ward = MUST(t, Ward::start(t.env, "read", kPlace));
    REQUIRE_OK(t, ward.next(t.env));
    REQUIRE_OK(t, ward.process().kill(77));
    REQUIRE_EQUAL(t, MUST(t, ward.child->wait(t.env)), 77u);
    REQUIRE_ERROR(t, ward.thread().retry_fault(), Error::kWrongState);
}

void suspended(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const auto ward = MUST(t, Ward::start(t.env, "read", kPlace));
    REQUIRE_OK(t, ward.next(t.env));
    REQUIRE_OK(t, ward.thread().suspend());
    REQUIRE_OK(t, ward.process().map(*memory, kPlace, 0, 1, abi::kRead));
    REQUIRE_OK(t, ward.thread().retry_fault());
    sleep_ns(2 * kMillisecond);
    REQUIRE_EQUAL(t, ward.thread().status()->word.state(), abi::ThreadState::kSuspended);
    REQUIRE_OK(t, ward.thread().resume());
    REQUIRE_EQUAL(t, MUST(t, ward.child->wait(t.env)), kDoneExitCode);
}

struct Caller {
    Owned<cap::Endpoint> endpoint;
    std::optional<Child> child;

    static cap::Result<Caller> start(const cap::Env& env, std::string_view mode) {
        Caller made;
        made.endpoint = Owned(TRY(cap::Endpoint::create(env.process)));
        cap::LineBuffer<64> arguments;
        arguments.print("mode={} value={}", mode, kPlace + 0x234);
        made.child.emplace(TRY(Child::create(env, arguments.view(), {})));
        TRY((*made.child)->thread.set_fault_handler(*made.endpoint, 4711));
        TRY((*made.child)->thread.start());
        return made;
    }
};

// With an endpoint a fault is a message; the reply resumes.
void by_message(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const auto caller = MUST(t, Caller::start(t.env, "write"));
    const auto& child = *caller.child;
    cap::Message message;
    REQUIRE_OK(t, caller.endpoint->receive(message, patience_ns));
    for (int i = 0; i < 3; ++i) {
        REQUIRE_EQUAL(t, message.info.words(), 4u);
        REQUIRE_EQUAL(t, message.badge, 4711u);
        REQUIRE_EQUAL(t, message.words[0], kPlace + 0x234);
        REQUIRE_EQUAL(t, message.words[1], i == 0 ? abi::kWrite : abi::kWrite | abi::kFaultMapped);
        REQUIRE_EQUAL(t, message.words[3], MUST(t, child->thread.ref()).raw());
        REQUIRE_ERROR(t, child->thread.fault(), Error::kWrongState);  // that is the other way
        if (i == 0) {
            REQUIRE_OK(t, child->process.map(*memory, kPlace, 0, 1, abi::kRead));
        } else if (i == 2) {
            REQUIRE_OK(t, child->process.protect(kPlace, 1, kReadWrite));
            REQUIRE_OK(t, caller.endpoint->reply(cap::answer(message)));
            break;
        }
        message = cap::answer(message);
        REQUIRE_OK(t, caller.endpoint->reply_and_receive(message, patience_ns));
    }
    REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), kDoneExitCode);
}

std::uint64_t receive_and_go(cap::Ring&, void* argument) {
    cap::Message message;
    return static_cast<cap::Endpoint*>(argument)->receive(message).has_value();
}

// The reply may say that it ends; so does a handler that goes without a reply.
void message_refused(Case& t) {
    const auto refused = MUST(t, Caller::start(t.env, "read"));
    cap::Message message;
    REQUIRE_OK(t, refused.endpoint->receive(message, patience_ns));
    REQUIRE_OK(t, refused.endpoint->reply(cap::answer(message, 1)));
    REQUIRE_EQUAL(t, MUST(t, refused.child->wait(t.env)), kFaultExitCode);
    const auto left = MUST(t, Caller::start(t.env, "read"));
    cap::Endpoint endpoint = *left.endpoint;
    const auto server = MUST(t, Sibling::start(t.env, receive_and_go, &endpoint));
    REQUIRE(t, server.wait());
    REQUIRE_EQUAL(t, MUST(t, left.child->wait(t.env)), kFaultExitCode);
    const auto killed = MUST(t, Caller::start(t.env, "read"));
    REQUIRE_OK(t, killed.endpoint->receive(message, patience_ns));
    REQUIRE_OK(t, (*killed.child)->process.kill(78));
    REQUIRE_EQUAL(t, MUST(t, killed.child->wait(t.env)), 78u);
    REQUIRE_ERROR(t, killed.endpoint->reply(cap::answer(message)), Error::kNoCaller);
}

// The handler waits without a time-out, on the same CPU, so that each fault may switch straight to it and each reply back.
struct Handler {
    cap::Endpoint endpoint, other;
    cap::Process process;
    cap::Memory memory;
    std::uint64_t faults;   // so many are answered without anything having been mapped
    std::uint64_t refusal;  // first word of the last answer
    bool leaves;            // or it goes without one
    std::uint64_t wrong = 0;
};
std::uint64_t handle(cap::Ring&, void* argument) {
    auto& handler = *static_cast<Handler*>(argument);
    cap::Message message;
    if (!handler.endpoint.receive(message)) {
        return 1;
    }
    for (std::uint64_t i = 0; i < handler.faults; ++i) {
        handler.wrong +=
            message.info.words() != 4 || message.badge != 4711 || message.words[0] != kPlace + 0x234;
        // On the time of the thread that has faulted it calls somebody else, who serves in turn.
        cap::Message asked = cap::message(i);
        handler.wrong += !handler.other.call(asked) || asked.words[0] != ~i;
        message = i % 5 == 4 ? cap::answer(message, 0) : cap::answer(message);
        if (!handler.endpoint.reply_and_receive(message)) {
            return 2;
        }
    }
    if (handler.leaves) {
        return 0;
    }
    handler.wrong += !handler.process.map(handler.memory, kPlace, 0, 1, kReadWrite);
    return handler.endpoint.reply(cap::answer(message, handler.refusal)) ? 0 : 3;
}
std::uint64_t serve_complements(cap::Ring&, void* argument) {
    const auto& endpoint = *static_cast<const cap::Endpoint*>(argument);
    cap::Message message;
    while (endpoint.reply_and_receive(message)) {
        message = cap::answer(message, ~message.words[0]);
    }
    return 0;
}

void directly(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const Owned asked(MUST(t, cap::Endpoint::create(t.env.process)));
    cap::Endpoint other = *asked;
    const auto server = MUST(t, Sibling::start(t.env, serve_complements, &other, {.affinity = only(0)}));
    for (const auto& [refusal, leaves] :
         {std::pair{0ull, false}, std::pair{5ull, false}, std::pair{0ull, true}}) {
        const Owned endpoint(MUST(t, cap::Endpoint::create(t.env.process)));
        cap::LineBuffer<64> arguments;
        arguments.print("mode=write value={}", kPlace + 0x234);
        const auto child = MUST(t, Child::create(t.env, arguments.view(), {}));
        REQUIRE_OK(t, child->thread.set_fault_handler(*endpoint, 4711));
        REQUIRE_OK(t, child->thread.set_affinity(only(0)));
        Handler handler{*endpoint, other, child->process, *memory, 100, refusal, leaves};
        const auto its = MUST(t, Sibling::start(t.env, handle, &handler, {.affinity = only(0)}));
        REQUIRE(t, its.reaches(abi::ThreadState::kWaiting));
        REQUIRE_OK(t, child->thread.start());
        REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), refusal != 0 || leaves ? kFaultExitCode : kDoneExitCode);
        REQUIRE(t, its.wait());
        REQUIRE_EQUAL(t, handler.wrong, 0u);
    }
}

// Without a handler, and with one that was taken away, it ends.
void no_handler(Case& t) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const auto child = MUST(t, Child::create(t.env, "mode=read value=0x50000000", {}));
    REQUIRE_OK(t, child->thread.set_fault_handler(*bell, 1));
    REQUIRE_OK(t, child->thread.set_fault_handler(cap::Notification(), 0));
    REQUIRE_EQUAL(t, MUST(t, child.run(t.env)), kFaultExitCode);
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 0u);
}

// Other exceptions do not come to it, nor addresses that no page can have.
void others_end(Case& t) {
    for (const std::string_view name : {"undefined", "divide_by_zero", "read_noncanonical", "int_14"}) {
        std::size_t number = 0;
        while (kFaults[number].name != name) {
            ++number;
        }
        const auto ward = MUST(t, Ward::start(t.env, "fault", number));
        REQUIRE_EQUAL(t, MUST(t, ward.child->wait(t.env)), kFaultExitCode);
        REQUIRE_EQUAL(t, MUST(t, ward.bell->poll()), 0u);
    }
    // The kernel's pages are pages.
    const auto ward = MUST(t, Ward::start(t.env, "read", 0xffff'8000'0010'0000));
    const auto fault = MUST(t, ward.next(t.env));
    REQUIRE_EQUAL(t, fault.address, 0xffff'8000'0010'0000u);
    REQUIRE_OK(t, ward.thread().refuse_fault());
    REQUIRE_EQUAL(t, MUST(t, ward.child->wait(t.env)), kFaultExitCode);
}

void arguments(Case& t) {
    const auto child = MUST(t, Child::create(t.env, "mode=wait", {}));
    const cap::Thread thread = child->thread;
    const Owned bell(MUST(t, t.env.process.create_notification()));
    REQUIRE_ERROR(t, thread.set_fault_handler(*bell, 0), Error::kBadArgument);
    REQUIRE_ERROR(t, thread.set_fault_handler(*bell, 1ull << 63), Error::kBadArgument);
    REQUIRE_ERROR(t, thread.set_fault_handler(cap::Notification(t.env.process.slot()), 1), Error::kWrongType);
    REQUIRE_ERROR(t, thread.set_fault_handler(cap::Notification(abi::CapSlot{4000, 1}), 1), Error::kBadSlot);
    const auto reader = MUST(t, derive(*bell, abi::kRead));
    REQUIRE_ERROR(t, thread.set_fault_handler(*reader, 1), Error::kNoRight);
    const cap::Notification stale = MUST(t, t.env.process.create_notification());
    stale.drop();
    REQUIRE_ERROR(t, thread.set_fault_handler(stale, 1), Error::kStaleSlot);
    REQUIRE_ERROR(t, thread.fault(), Error::kWrongState);
    REQUIRE_ERROR(t, thread.retry_fault(), Error::kWrongState);
    REQUIRE_EQUAL(t, by_call({abi::Op::kEndFault, thread.slot(), {2}}), Error::kBadArgument);
}

// A pager for a process whose threads fault on all CPUs: each page is made when it is first touched, and taken away again and again.
constexpr std::uint64_t kPages = 64, kRounds = 300;
constexpr std::uint64_t kWindow = 0x60'0000'0000;

std::uint64_t use_pages(Station& station, cap::Ring&) {
    Random random(station.values[0]);
    for (std::uint64_t i = 0; i < kRounds; ++i) {
        const std::uint64_t page = random.below(kPages);
        const std::uint64_t found = *reinterpret_cast<volatile std::uint64_t*>(kWindow + page * kPage);
        station.values[1] = station.values[1] + (found != page + 1);
        station.beats = i + 1;
    }
    return 0;
}

void pager(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(kPages)));
    const std::uint64_t here = MUST(t, t.env.space.reserve(kPages));
    REQUIRE_OK(t, t.env.process.map(*memory, here, 0, kPages, kReadWrite));
    for (std::uint64_t page = 0; page < kPages; ++page) {
        *reinterpret_cast<std::uint64_t*>(here + page * kPage) = page + 1;
    }
    const Owned bell(MUST(t, t.env.process.create_notification()));
    Crew crew(t);
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
        const Worker& worker = crew.add({.main = use_pages, .affinity = only(cpu), .first_cpu = cpu});
        REQUIRE(t, !t.failed());
        worker.station->values[0] = t.seed + cpu;
        REQUIRE_OK(t, worker.thread.set_fault_handler(*bell, only(cpu)));
        REQUIRE_OK(t, worker.thread.start());
    }
    Random random(t.seed);
    std::uint64_t faults = 0;
    const auto all_done = [&] {
        return std::ranges::all_of(crew.workers(),
                                   [](const Worker& worker) { return worker.beats() == kRounds; });
    };
    while (!all_done()) {
        // With a time, because they may all be done; it may pass just when somebody faults.
        const std::uint64_t bits = bell->wait(t.env.ring, 10 * kMillisecond).value_or(~0ull);
        for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {
            const Worker& worker = crew.workers()[cpu];
            const auto fault = worker.thread.fault();
            if ((bits >> cpu & 1) == 0 || error_of(fault) == Error::kWrongState) {
                continue;
            }
            REQUIRE_OK(t, fault);
            REQUIRE(t, fault->address >= kWindow && fault->address < kWindow + kPages * kPage);
            const std::uint64_t page = (fault->address - kWindow) / kPage;
            const auto mapped = crew.process().map(*memory, kWindow + page * kPage, page, 1, abi::kRead);
            REQUIRE(t, mapped || mapped.error() == Error::kOverlap);  // another has faulted there, too
            REQUIRE_OK(t, worker.thread.retry_fault());
            ++faults;
        }
        if (random.one_in(4)) {
            REQUIRE_OK(t, crew.process().unmap(kWindow, kPages));
        }
    }
    t.env.log.print("test: faults={}", faults);
    for (const Worker& worker : crew.workers()) {
        REQUIRE_EQUAL(t, worker.station->values[1].load(), 0u);
    }
    REQUIRE(t, faults >= kPages);
    REQUIRE_OK(t, t.env.process.unmap(here, kPages));
}

constexpr Entry kCases[] = {
    {"by_message", by_message},
    {"message_refused", message_refused},
    {"directly", directly},
    {"mapped_then", mapped_then},
    {"protected_then", protected_then},
    {"executed", executed},
    {"refused", refused},
    {"killed", killed},
    {"suspended", suspended},
    {"no_handler", no_handler},
    {"others_end", others_end},
    {"arguments", arguments},
    {"pager", pager},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "page_fault", kCases); }
