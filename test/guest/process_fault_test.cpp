// SPDX-License-Identifier: MIT
//
// One handler for the page faults of all threads of a process, and what becomes of a fault when its handler goes: docs/abi.md,
// "Page faults".
#include "cap/endpoint.hpp"
#include "suite.hpp"
#include "support/child.hpp"
#include "support/crew.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/sibling.hpp"

#include <array>

namespace {

using namespace test;
using abi::Error;

constexpr std::uint64_t kPage = abi::kPageSize;
constexpr std::uint64_t kPages = 4;
constexpr std::uint64_t kWindow = 0x60'0000'0000;  // where a crew has nothing

std::uint64_t touch(Station& station, cap::Ring&) {
    return *reinterpret_cast<volatile std::uint64_t*>(kWindow + station.values[0] * kPage);
}

// A crew whose workers touch one page each and end with what they have found there: 100 + the page.
class Scene {
public:
    explicit Scene(Case& t) : crew(t), t_(t) {
        const auto made = t.env.process.create_memory(kPages);
        const auto here = t.env.space.reserve(kPages);
        if (!made || !here || !t.env.process.map(*made, *here, 0, kPages, abi::kRead | abi::kWrite)) {
            t.fail("no memory");
            return;
        }
        memory_ = Owned(*made);
        here_ = *here;
        for (std::uint64_t page = 0; page < kPages; ++page) {
            *reinterpret_cast<std::uint64_t*>(here_ + page * kPage) = 100 + page;
        }
    }
    ~Scene() { (void)t_.env.process.unmap(here_, kPages); }
    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;

    const Worker& add(std::uint64_t page, std::uint64_t affinity = 0) {
        const Worker& worker = crew.add({.main = touch, .affinity = affinity});
        if (worker.station != nullptr) {
            worker.station->values[0] = page;
        }
        return worker;
    }
    [[nodiscard]] cap::Result<void> map(std::uint64_t page) const {
        return crew.process().map(*memory_, kWindow + page * kPage, page, 1, abi::kRead);
    }
    [[nodiscard]] cap::Result<std::uint64_t> join(const Worker& worker) const {
        return worker.thread.join(t_.env.ring, patience_ns);
    }
    // It waits with a fault of which a notification was told.
    [[nodiscard]] bool has_faulted(const Worker& worker) const {
        return eventually(t_.env.clock, [&] {
            return worker.thread.fault().has_value() && worker.state() == abi::ThreadState::kWaiting;
        });
    }

    Crew crew;

private:
    Case& t_;
    Owned<cap::Memory> memory_;
    std::uint64_t here_ = 0;
};

// The fault of this worker comes by message, and is resolved.
void serve_one(Case& t, const Scene& scene, cap::Endpoint endpoint, const Worker& worker,
               std::uint64_t page) {
    cap::Message message;
    REQUIRE_OK(t, endpoint.receive(message, patience_ns));
    REQUIRE_EQUAL(t, message.badge, 99u);
    REQUIRE_EQUAL(t, message.words[0], kWindow + page * kPage);
    REQUIRE_EQUAL(t, message.words[1], abi::kRead);
    REQUIRE_EQUAL(t, message.words[3], worker.ref.raw());
    REQUIRE_OK(t, scene.map(page));
    REQUIRE_OK(t, endpoint.reply(cap::answer(message)));
    REQUIRE_EQUAL(t, MUST(t, scene.join(worker)), 100 + page);
}

// Of threads that were there before, and of those that come later.
void all_threads(Case& t) {
    Scene scene(t);
    const Owned endpoint(MUST(t, cap::Endpoint::create(t.env.process)));
    const Worker& before = scene.add(0);
    REQUIRE_OK(t, scene.crew.process().set_fault_handler(*endpoint, 99));
    const Worker& after = scene.add(1);
    REQUIRE(t, !t.failed());
    REQUIRE_OK(t, before.thread.start());
    serve_one(t, scene, *endpoint, before, 0);
    REQUIRE_OK(t, after.thread.start());
    serve_one(t, scene, *endpoint, after, 1);
}

// One bell for two threads: each says where it was.
void two_at_once(Case& t) {
    Scene scene(t);
    const Owned bell(MUST(t, t.env.process.create_notification()));
    REQUIRE_OK(t, scene.crew.process().set_fault_handler(*bell, 4));
    const std::array workers = {&scene.add(0, only(0)), &scene.add(1, only(t.cpus() - 1))};
    REQUIRE(t, !t.failed());
    for (const Worker* worker : workers) {
        REQUIRE_OK(t, worker->thread.start());
    }
    for (std::uint64_t page = 0; page < 2; ++page) {
        REQUIRE(t, scene.has_faulted(*workers[page]));
        REQUIRE_EQUAL(t, MUST(t, workers[page]->thread.fault()).address, kWindow + page * kPage);
    }
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 4u);
    for (const std::uint64_t page : {1, 0}) {
        REQUIRE_OK(t, scene.map(page));
        REQUIRE_OK(t, workers[page]->thread.retry_fault());
        REQUIRE_EQUAL(t, MUST(t, scene.join(*workers[page])), 100 + page);
    }
}

// A thread's own handler comes first, as long as there is one; what it names may go before the fault, or while it waits.
void own_comes_first(Case& t) {
    Scene scene(t);
    const Owned endpoint(MUST(t, cap::Endpoint::create(t.env.process)));
    REQUIRE_OK(t, scene.crew.process().set_fault_handler(*endpoint, 99));
    const Worker &own = scene.add(0), &cleared = scene.add(1), &gone = scene.add(2), &goes = scene.add(3);
    REQUIRE(t, !t.failed());
    {
        const Owned bell(MUST(t, t.env.process.create_notification()));
        for (const Worker* worker : {&own, &cleared, &goes}) {
            REQUIRE_OK(t, worker->thread.set_fault_handler(*bell, 1));
        }
        REQUIRE_OK(t, own.thread.start());
        REQUIRE(t, scene.has_faulted(own));
        cap::Message message;
        REQUIRE_ERROR(t, endpoint->receive(message, 0), Error::kTimedOut);
        REQUIRE_OK(t, own.thread.refuse_fault());
        REQUIRE_EQUAL(t, MUST(t, scene.join(own)), kFaultExitCode);
        REQUIRE_OK(t, cleared.thread.set_fault_handler(cap::Notification(), 0));
        REQUIRE_OK(t, cleared.thread.start());
        serve_one(t, scene, *endpoint, cleared, 1);
        REQUIRE_OK(t, goes.thread.start());
        REQUIRE(t, scene.has_faulted(goes));
    }
    serve_one(t, scene, *endpoint, goes, 3);
    {
        const Owned other(MUST(t, cap::Endpoint::create(t.env.process)));
        REQUIRE_OK(t, gone.thread.set_fault_handler(*other, 1));
    }
    REQUIRE_OK(t, gone.thread.start());
    serve_one(t, scene, *endpoint, gone, 2);
}

void cleared(Case& t) {
    Scene scene(t);
    const Owned bell(MUST(t, t.env.process.create_notification()));
    REQUIRE_OK(t, scene.crew.process().set_fault_handler(*bell, 1));
    REQUIRE_OK(t, scene.crew.process().set_fault_handler(cap::Notification(), 0));
    const Worker& worker = scene.add(0);
    REQUIRE_OK(t, worker.thread.start());
    REQUIRE_EQUAL(t, MUST(t, scene.join(worker)), kFaultExitCode);
    REQUIRE_EQUAL(t, MUST(t, bell->poll()), 0u);
}

// Another process has the only capability to the handler's object, and dies: before the fault, or while it waits.
void handler_dies(Case& t) {
    for (const bool by_message : {false, true}) {
        for (const bool waits : {false, true}) {
            Scene scene(t);
            std::optional<Child> handler;
            {
                const Owned bell(MUST(t, t.env.process.create_notification()));
                const Owned endpoint(MUST(t, cap::Endpoint::create(t.env.process)));
                const cap::GivenCap caps[] = {{"bell", bell->slot(), abi::kAllRights},
                                              {"endpoint", endpoint->slot(), abi::kAllRights}};
                handler.emplace(MUST(t, Child::create(t.env, "mode=wait", {.caps = caps})));
                REQUIRE_OK(t, (*handler)->thread.start());
                REQUIRE_OK(t, by_message ? scene.crew.process().set_fault_handler(*endpoint, 99)
                                         : scene.crew.process().set_fault_handler(*bell, 1));
            }
            const Worker& worker = scene.add(0);
            const auto kill = [&] { return (*handler)->process.kill(0) && handler->wait(t.env); };
            if (!waits) {
                REQUIRE(t, kill());
            }
            REQUIRE_OK(t, worker.thread.start());
            if (waits) {
                REQUIRE(
                    t, eventually(t.env.clock, [&] { return worker.state() == abi::ThreadState::kWaiting; }));
                REQUIRE(t, kill());
            }
            REQUIRE_EQUAL(t, MUST(t, scene.join(worker)), kFaultExitCode);
            REQUIRE_ERROR(t, worker.thread.fault(), Error::kWrongState);
        }
    }
}

// Of several that wait, one has gone on and one was killed: the others end with the notification. Killed ones wait with nothing.
void notification_gone(Case& t) {
    Scene scene(t);
    std::array<const Worker*, kPages> workers{};
    {
        const Owned bell(MUST(t, t.env.process.create_notification()));
        for (std::uint64_t page = 0; page < kPages; ++page) {
            workers[page] = &scene.add(page);
            REQUIRE_OK(t, workers[page]->thread.set_fault_handler(*bell, 1ull << page));
            REQUIRE_OK(t, workers[page]->thread.start());
            REQUIRE(t, scene.has_faulted(*workers[page]));
        }
        REQUIRE_OK(t, scene.map(1));
        REQUIRE_OK(t, workers[1]->thread.retry_fault());
        REQUIRE_EQUAL(t, MUST(t, scene.join(*workers[1])), 101u);
        REQUIRE_OK(t, workers[2]->thread.kill(79));
        REQUIRE_EQUAL(t, MUST(t, scene.join(*workers[2])), 79u);
        REQUIRE_ERROR(t, workers[2]->thread.fault(), Error::kWrongState);
        REQUIRE_OK(t, scene.map(3));  // not told: it finds out by itself
        for (const std::uint64_t page : {0, 3}) {
            REQUIRE_EQUAL(t, workers[page]->state(), abi::ThreadState::kWaiting);
        }
    }
    REQUIRE_EQUAL(t, MUST(t, scene.join(*workers[0])), kFaultExitCode);
    REQUIRE_EQUAL(t, MUST(t, scene.join(*workers[3])), 103u);
}

// On one CPU, and without a time-out: each fault may switch straight to the handler of the process.
struct Server {
    cap::Endpoint endpoint;
    cap::Process process;
    cap::Memory memory;
    std::uint64_t wrong = 0;
};
constexpr std::uint64_t kPlace = 0x5000'0000;
std::uint64_t serve(cap::Ring&, void* argument) {
    auto& server = *static_cast<Server*>(argument);
    cap::Message message;
    bool received = server.endpoint.receive(message).has_value();
    for (int i = 0; i < 50 && received; ++i) {
        server.wrong += message.badge != 99 || message.words[0] != kPlace;
        message = cap::answer(message);
        received = server.endpoint.reply_and_receive(message).has_value();
    }
    server.wrong += !received || !server.process.map(server.memory, kPlace, 0, 1, abi::kRead);
    return server.endpoint.reply(cap::answer(message)) ? 0 : 1;
}
void directly(Case& t) {
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    const Owned endpoint(MUST(t, cap::Endpoint::create(t.env.process)));
    const auto child = MUST(t, Child::create(t.env, "mode=read value=0x50000000", {.affinity = only(0)}));
    REQUIRE_OK(t, child->process.set_fault_handler(*endpoint, 99));
    Server server{*endpoint, child->process, *memory};
    const auto its = MUST(t, Sibling::start(t.env, serve, &server, {.affinity = only(0)}));
    REQUIRE(t, its.reaches(abi::ThreadState::kWaiting));
    REQUIRE_EQUAL(t, MUST(t, child.run(t.env)), kDoneExitCode);
    REQUIRE(t, its.wait());
    REQUIRE_EQUAL(t, server.wrong, 0u);
}

void arguments(Case& t) {
    const auto child = MUST(t, Child::create(t.env, "mode=wait", {}));
    const cap::Process process = child->process;
    const Owned bell(MUST(t, t.env.process.create_notification()));
    REQUIRE_ERROR(t, process.set_fault_handler(*bell, 0), Error::kBadArgument);
    REQUIRE_ERROR(t, process.set_fault_handler(*bell, 1ull << 63), Error::kBadArgument);
    REQUIRE_ERROR(t, process.set_fault_handler(cap::Notification(process.slot()), 1), Error::kWrongType);
    REQUIRE_ERROR(t, process.set_fault_handler(cap::Notification(abi::CapSlot{4000, 1}), 1), Error::kBadSlot);
    const auto reader = MUST(t, derive(*bell, abi::kRead));
    REQUIRE_ERROR(t, process.set_fault_handler(*reader, 1), Error::kNoRight);
    const cap::Notification stale = MUST(t, t.env.process.create_notification());
    stale.drop();
    REQUIRE_ERROR(t, process.set_fault_handler(stale, 1), Error::kStaleSlot);
    REQUIRE_OK(t, process.kill(0));
    REQUIRE_OK(t, child.wait(t.env));
    REQUIRE_ERROR(t, process.set_fault_handler(*bell, 1), Error::kWrongState);
}

constexpr Entry kCases[] = {
    {"all_threads", all_threads}, {"two_at_once", two_at_once},   {"own_comes_first", own_comes_first},
    {"cleared", cleared},         {"handler_dies", handler_dies}, {"notification_gone", notification_gone},
    {"directly", directly},       {"arguments", arguments},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "process_fault", kCases); }
