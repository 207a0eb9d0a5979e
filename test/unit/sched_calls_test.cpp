// SPDX-License-Identifier: MIT
//
// Who runs on whose claim: the dispatcher's call graph, and what `priority` makes of it. The kernel's model says who has called whom; low
// calls server A, which calls server B, medium threads compute, high calls A: high must get through. Without inheritance it does
// not, and the same steps show that.
#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "attributes.hpp"
#include "cap/format.hpp"
#include "policy_seat.hpp"
#include "support/checked_policy.hpp"
#include "support/sched_crew.hpp"

using namespace test;
using abi::ThreadState;

namespace {

class Scene {
public:
    explicit Scene(bool inherits = true, std::uint64_t cpus = 0b1)
        : kernel(cpus), checked(prepare(inherits)), crew(kernel, checked) {}

    std::uint32_t start(std::uint32_t priority) {
        const auto line =
            kernel.create(FakeKernel::kAll, 1, 0, sched::Attributes{.priority = priority}.label());
        kernel.start(line);
        settle();
        return line;
    }
    // One that waits to be called.
    std::uint32_t start_server() {
        const auto line = start(1);
        REQUIRE(running() == line);
        kernel.receive(0);
        settle();
        return line;
    }
    void call(std::uint32_t server, bool directly = false) {
        kernel.call(0, server, directly);
        settle();
    }
    void reply() {
        kernel.reply_and_receive(0);
        settle();
    }
    void settle() {
        REQUIRE(crew.settle());
        REQUIRE(crew.complaint() == "");
    }
    std::uint32_t running() { return kernel.running(0).value_or(~0u); }
    std::optional<std::uint32_t> donor(std::uint32_t line) {
        const sched::Task* const donor = crew.dispatcher().task(line).donor;
        return donor != nullptr ? std::optional(donor->ref.index) : std::nullopt;
    }
    sched::Policy& prepare(bool inherits) {
        cap::LineBuffer<200> line;
        const sched::Setting setting{"inherit", inherits ? "1" : "0"};
        sched::Policy* const policy =
            seat->prepare(*sched::find_policy("priority"), std::span(&setting, 1), {places}, line);
        REQUIRE(policy != nullptr);
        return *policy;
    }

    std::array<sched::CpuPlace, 4> places{
        {{.served = true}, {.served = true}, {.served = true}, {.served = true}}};
    std::unique_ptr<sched::PolicySeat> seat = std::make_unique<sched::PolicySeat>();
    FakeKernel kernel;
    CheckedPolicy checked;
    Crew crew;
};

// Up to where high waits for A, which waits for B, which was preempted while it worked for low.
struct Inversion : Scene {
    Inversion(bool inherits, bool directly) : Scene(inherits) {
        b = start_server();
        a = start_server();
        low = start(10);
        call(a, directly);
        REQUIRE(running() == a);
        call(b, directly);
        REQUIRE(running() == b);
        medium = start(100);
        REQUIRE(running() == medium);
        high = start(200);
        REQUIRE(running() == high);
        call(a);
    }
    std::uint32_t a, b, low, medium, high;
};

}  // namespace

TEST_CASE("sched calls: high gets through a chain of servers that work for low, while medium computes") {
    for (const bool directly : {false, true}) {
        Inversion s(true, directly);
        CHECK(s.running() == s.b);
        CHECK(s.donor(s.b) == s.high);
        CHECK(s.donor(s.a) == s.high);
        s.reply();  // B to A
        CHECK(s.running() == s.a);
        CHECK(s.donor(s.b) == std::nullopt);
        s.reply();  // A to low, and takes high's call
        CHECK(s.running() == s.a);
        s.reply();
        CHECK(s.running() == s.high);
        s.kernel.block(0);
        s.settle();
        CHECK(s.running() == s.medium);
        CHECK(s.donor(s.a) == std::nullopt);
    }
}

TEST_CASE("sched calls: without inheritance medium keeps high waiting, and the same steps show it") {
    for (const bool directly : {false, true}) {
        Inversion s(false, directly);
        CHECK(s.running() == s.medium);
        CHECK(s.donor(s.b) == std::nullopt);
    }
}

TEST_CASE("sched calls: when the chain breaks, the claim goes back") {
    SECTION("high is killed") {
        Inversion s(true, false);
        s.kernel.kill(s.high);
        s.settle();
        CHECK(s.running() == s.medium);
        CHECK(s.donor(s.b) == s.low);
        CHECK(s.donor(s.a) == s.low);
    }
    SECTION("high's time is up") {
        Inversion s(true, false);
        s.kernel.wake(s.high);
        s.settle();
        CHECK(s.running() == s.high);
        s.kernel.block(0);
        s.settle();
        CHECK(s.running() == s.medium);
        CHECK(s.donor(s.b) == s.low);
    }
    SECTION("A dies: its callers are told, and B works for nobody") {
        Inversion s(true, false);
        s.kernel.kill(s.a);
        s.settle();
        CHECK(s.running() == s.high);
        CHECK(s.donor(s.b) == std::nullopt);
        s.kernel.exit(0);
        s.settle();
        CHECK(s.running() == s.medium);
    }
    SECTION("A gives its call of B up: its claim comes back to it") {
        Inversion s(true, false);
        s.kernel.wake(s.a);
        s.settle();
        CHECK(s.running() == s.a);
        CHECK(s.donor(s.a) == s.high);
        CHECK(s.donor(s.b) == std::nullopt);
    }
    SECTION("low, whose call A has received, is killed: high waits still") {
        Inversion s(true, false);
        s.kernel.kill(s.low);
        s.settle();
        CHECK(s.running() == s.b);
        CHECK(s.donor(s.b) == s.high);
    }
}

TEST_CASE("sched calls: the claim is the most urgent one, of whoever comes and goes") {
    Scene s;
    const auto server = s.start_server();
    const auto first = s.start(20);
    s.call(server);
    CHECK(s.donor(server) == first);
    const auto second = s.start(60);
    s.call(server);
    CHECK(s.donor(server) == second);
    const auto third = s.start(50);
    REQUIRE(s.running() == server);  // 60 is more
    s.kernel.kill(second);
    s.settle();
    REQUIRE(s.running() == third);
    s.call(server);
    CHECK(s.donor(server) == third);
    s.reply();
    s.reply();
    CHECK(s.running() == third);
    CHECK(s.donor(server) == std::nullopt);
}

TEST_CASE("sched calls: a server that is more urgent by itself stays so") {
    Scene s;
    const auto server = s.start(150);
    s.kernel.receive(0);
    s.settle();
    const auto low = s.start(10);
    s.call(server);
    CHECK(s.running() == server);
    CHECK(s.donor(server) == std::nullopt);
    const auto medium = s.start(100);
    CHECK(s.running() == server);
    s.reply();
    CHECK(s.running() == medium);
    s.kernel.exit(0);
    s.settle();
    CHECK(s.running() == low);
}

TEST_CASE("sched calls: a ring of calls ends no walk, and chains lend over eight links") {
    Scene s;
    const auto a = s.start_server(), b = s.start_server();
    const auto low = s.start(10);
    s.call(a);
    s.call(b);
    REQUIRE(s.running() == b);
    s.call(a);  // a waits for b, b for a
    CHECK(s.running() == ~0u);
    const auto high = s.start(200);
    s.call(a);
    s.kernel.kill(high);
    s.kernel.kill(low);
    s.settle();
    CHECK(s.donor(a) == std::nullopt);
    CHECK(s.donor(b) == std::nullopt);

    Scene chain;
    std::array<std::uint32_t, 10> servers{};
    for (auto& server : servers) {
        server = chain.start_server();
    }
    const auto client = chain.start(200);
    chain.call(servers[0]);
    for (std::size_t i = 0; i + 1 < servers.size(); ++i) {
        REQUIRE(chain.running() == servers[i]);
        chain.call(servers[i + 1]);
    }
    CHECK(chain.donor(servers[7]) == client);  // eight links
    CHECK(chain.donor(servers[8]) == std::nullopt);
    for (std::size_t i = servers.size(); i-- != 0;) {
        REQUIRE(chain.running() == servers[i]);
        chain.reply();
    }
    CHECK(chain.running() == client);
}

TEST_CASE("sched calls: a policy that takes over learns of them, and so does one that begins to inherit") {
    Inversion s(true, false);
    Scene other;
    const std::unique_ptr<sched::PolicySeat> seat = std::move(other.seat);
    cap::LineBuffer<200> line;
    sched::Policy* const fresh = seat->prepare(*sched::find_policy("priority"), {}, {s.places}, line);
    REQUIRE(fresh != nullptr);
    CheckedPolicy next(*fresh);
    s.crew.set_policy(next);
    s.settle();
    CHECK(s.running() == s.b);
    CHECK(s.donor(s.b) == s.high);

    REQUIRE(sched::set_parameter("priority", next.parameters(), "inherit", "0", line));
    s.crew.dispatcher().parameters_changed(1);
    CHECK(s.donor(s.b) == std::nullopt);
    REQUIRE(sched::set_parameter("priority", next.parameters(), "inherit", "1", line));
    s.crew.dispatcher().parameters_changed(1);
    CHECK(s.donor(s.b) == s.high);
}

// A server's event may come late, when it runs again, on the time of somebody who has called it since. Then it waits without an event.
TEST_CASE("sched calls: one that is found on its caller's time leaves no CPU forgotten") {
    for (const char* const name : {"fifo", "priority"}) {
        INFO(name);
        Scene s(true, 0b11);
        sched::PolicyStorage& storage = *std::make_unique<sched::PolicyStorage>().release();
        const std::unique_ptr<sched::PolicyStorage> owner(&storage);
        sched::Policy& policy = sched::find_policy(name)->make(storage);
        REQUIRE(policy.start({s.places}) == "");
        Crew crew(s.kernel, policy);
        const auto begin = [&](std::uint32_t cpu) {
            const auto line = s.kernel.create(std::uint64_t{1} << cpu, 1, cpu);
            s.kernel.start(line);
            REQUIRE(crew.settle());
            return line;
        };
        const auto client = begin(0);
        const auto server = begin(1);
        REQUIRE(s.kernel.running(0) == client);
        REQUIRE(s.kernel.running(1) == server);
        s.kernel.set_affinity(server, 0b11);
        REQUIRE(crew.settle());
        s.kernel.receive(1);
        s.kernel.call(0, server, true);
        REQUIRE(s.kernel.running(0) == server);
        crew.decide(1);  // the event of its wait
        s.kernel.reply_and_receive(0);
        REQUIRE(s.kernel.running(0) == client);
        REQUIRE(crew.settle());
        s.kernel.exit(0);
        const auto next = begin(0);
        CHECK(s.kernel.running(0) == next);
        CHECK(crew.complaint() == "");
    }
}
