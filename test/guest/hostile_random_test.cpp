// SPDX-License-Identifier: MIT
//
// Several processes do to the kernel, and to each other by way of an endpoint that they share, at the same time, whatever comes to
// their mind (support/hostile_mind.hpp), while another one must be served. Then nothing is missing and everything works. `calls=` says how many in all.
#include "cap/endpoint.hpp"
#include "cap/joining_thread.hpp"
#include "cap/sched_domain.hpp"
#include "suite.hpp"
#include "support/child.hpp"
#include "support/crew.hpp"
#include "support/domain_server.hpp"
#include "support/free_pages.hpp"
#include "support/hostile_seat.hpp"
#include "support/server_process.hpp"
#include "support/sibling.hpp"

#include <algorithm>

namespace {

using namespace test;

std::uint64_t calls_wanted(const Case& t) {
    const auto text = cox::core::CommandLine(t.env.arguments()).find("calls").value_or("100000");
    return cox::core::parse_u64(text).value_or(0);
}

// A thread that has used an endpoint through its ring, for which the kernel has set something aside as long as it lives.
std::uint64_t use_endpoint(cap::Ring& ring, void* argument) {
    const auto& endpoint = *static_cast<const cap::Endpoint*>(argument);
    (void)ring.prepare(cap::submission(abi::Op::kReceive, endpoint.slot(), 1));
    (void)ring.submit_and_wait(0);
    sleep_ns(abi::kForever);  // whoever receives meanwhile
    return 0;
}

// As many at once as there will hardly be in the storm.
void use_endpoints(Case& t) {
    const Owned endpoint(MUST(t, cap::Endpoint::create(t.env.process)));
    cap::Endpoint named = *endpoint;
    static std::array<std::optional<Sibling>, 100> users;
    for (auto& user : users) {
        user.emplace(MUST(t, Sibling::start(t.env, use_endpoint, &named)));
    }
    for (auto& user : users) {
        REQUIRE(t, user->reaches(abi::ThreadState::kWaiting));
    }
    for (auto& user : users) {
        user.reset();
    }
}

// The kernel's heap keeps what it once took, and so do page tables of this process: both take here what they may need
// later, so that afterwards not a single frame may be missing.
void take_in_advance(Case& t) {
    static std::array<cap::Capability, 3000> held;
    std::size_t count = 0;
    for (std::size_t i = 0; i < held.size(); ++i) {
        const auto take = [&](auto made) {
            if (made) {
                held[count++] = *made;
            }
        };
        if (i % 6 == 0) {
            take(t.env.process.create_process("early"));
        } else if (i % 6 <= 3) {
            i % 2 ? take(t.env.process.create_notification()) : take(cap::Endpoint::create(t.env.process));
        } else {
            take(t.env.process.create_memory(1));
        }
    }
    REQUIRE_EQUAL(t, count, held.size());
    use_endpoints(t);
    static std::array<cap::Timer, 8 * abi::kMaxTimers> timers;
    const Owned bell(MUST(t, t.env.process.create_notification()));
    for (std::size_t i = 0; i < timers.size(); ++i) {
        const cap::Process payer(held[6 * (i / abi::kMaxTimers)].slot());
        timers[i] = MUST(t, payer.create_timer(*bell, 1));
    }
    for (const cap::Timer& each : timers) {
        each.drop();
    }
    for (const cap::Capability& each : held) {
        each.drop();
    }
    constexpr std::uint64_t kTableSpan = 2 << 20;
    const std::uint64_t here = MUST(t, t.env.space.reserve(1)) & ~(kTableSpan - 1);
    const Owned memory(MUST(t, t.env.process.create_memory(1)));
    for (std::uint64_t i = 1; i <= 256; ++i) {
        REQUIRE_OK(t, t.env.process.map(*memory, here + i * kTableSpan, 0, 1, abi::kRead));
        REQUIRE_OK(t, t.env.process.unmap(here + i * kTableSpan, 1));
    }
    const DomainServer event_rings(t);
}

// A process that serves, and how it is served meanwhile.
class Victim {
public:
    explicit Victim(Case& t) : t_(t) {}

    [[nodiscard]] cap::Result<void> start() {
        ask_ = Owned(TRY(t_.env.process.create_notification()));
        answer_ = Owned(TRY(t_.env.process.create_notification()));
        const cap::GivenCap caps[] = {{"ask", ask_->slot(), abi::kRead},
                                      {"answer", answer_->slot(), abi::kWrite}};
        child_.emplace(TRY(Child::create(t_.env, "mode=echo", {.caps = caps})));
        return (*child_)->thread.start();
    }
    // Asks once. False: no answer.
    [[nodiscard]] bool ask() {
        const std::uint64_t begin = t_.env.clock.now_ns();
        const std::uint64_t bit = std::uint64_t{1} << answers_ % 63;
        if (!ask_->signal(bit) || answer_->wait(t_.env.ring, patience_ns).value_or(0) != bit) {
            return false;
        }
        ++answers_;
        slowest_ = std::max(slowest_, t_.env.clock.now_ns() - begin);
        return true;
    }
    [[nodiscard]] std::uint64_t answers() const { return answers_; }
    [[nodiscard]] std::uint64_t slowest_us() const { return slowest_ / kMicrosecond; }

private:
    Case& t_;
    Owned<cap::Notification> ask_;
    Owned<cap::Notification> answer_;
    std::optional<Child> child_;
    std::uint64_t answers_ = 0;
    std::uint64_t slowest_ = 0;
};

struct Counters {
    Owned<cap::Memory> memory;
    HostilePage* page = nullptr;

    static cap::Result<Counters> make(const cap::Env& env) {
        Counters made;
        made.memory = Owned(TRY(env.process.create_memory(1)));
        const std::uint64_t address = TRY(env.space.reserve(1));
        TRY(env.process.map(*made.memory, address, 0, 1, abi::kRead | abi::kWrite));
        made.page = reinterpret_cast<HostilePage*>(address);
        return made;
    }
};

// None of them is left there, neither waiting nor to be answered; and it is as good as new.
void post_works(Case& t, cap::Endpoint post) {
    cap::Message message;
    REQUIRE_ERROR(t, post.receive(message, 0), abi::Error::kTimedOut);
    auto caller = MUST(t, cap::JoiningThread::start(t.env, [post] {
                           cap::Message asked = cap::message(41);
                           return post.call(asked) ? asked.words[0] : 0;
                       }));
    REQUIRE_OK(t, post.receive(message, patience_ns));
    REQUIRE_EQUAL(t, message.words[0], 41u);
    REQUIRE_OK(t, post.reply(cap::answer(message, 42)));
    REQUIRE_EQUAL(t, MUST(t, caller.join(t.env.ring)), 42u);
}

// Until so many calls have been made.
void storm(Case& t, const Counters& counters, Victim& victim, std::uint64_t calls, std::uint64_t seed) {
    const Owned bell(MUST(t, t.env.process.create_notification()));
    const Owned memory(MUST(t, t.env.process.create_memory(4)));
    const Owned post(MUST(t, cap::Endpoint::create(t.env.process)));
    const HostileSeat::Shared shared{*bell, *post, *memory, *counters.memory};
    HostileSeat seats[] = {
        {t, shared, seed}, {t, shared, seed + 1}, {t, shared, seed + 2}, {t, shared, seed + 3}};
    const std::uint64_t end = counters.page->calls + calls;
    while (counters.page->calls < end) {
        for (HostileSeat& seat : seats) {
            REQUIRE(t, seat.tend());
        }
        REQUIRE(t, victim.ask());
        sleep_ns(kMillisecond);
    }
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {  // whatever they have taken
        (void)t.env.find<cap::SchedDomain>("domain")->return_cpu(cpu);
    }
    std::uint64_t lives = 0;
    for (HostileSeat& seat : seats) {
        seat.end();
        lives += seat.lives();
    }
    for (std::uint32_t cpu = 0; cpu < t.cpus(); ++cpu) {  // whatever they have lent
        (void)t.env.find<cap::SchedDomain>("domain")->reclaim_cpu(cpu);
    }
    t.env.log.print(
        "test: calls={} submissions={} messages={} gifts={} no_gifts={} lives={} answers={} slowest_us={}",
        counters.page->calls.load(), counters.page->submissions.load(), counters.page->messages.load(),
        counters.page->gifts.load(), counters.page->no_gifts.load(), lives, victim.answers(),
        victim.slowest_us());
    post_works(t, *post);
}

void random_calls(Case& t) {
    const auto counters = MUST(t, Counters::make(t.env));
    Victim victim(t);
    REQUIRE_OK(t, victim.start());
    take_in_advance(t);
    storm(t, counters, victim, 1, t.seed);  // whatever else is taken once
    REQUIRE(t, !t.failed());
    const std::uint64_t before = free_pages(t.env);
    const auto charged = MUST(t, t.env.process.quota_status());
    {
        // One page may be the last frame, for which free_pages() has no piece: it needs some for the pieces themselves.
        const Owned missing(MUST(t, t.env.process.create_memory(8)));
        REQUIRE(t, free_pages(t.env) < before);  // it would be seen
    }
    storm(t, counters, victim, calls_wanted(t), t.seed << 8);
    REQUIRE(t, !t.failed());
    if (counters.page->registers_changed != 0 || counters.page->unknown_results != 0) {
        t.fail("registers changed in {} calls, unknown results in {}; call {:x}",
               counters.page->registers_changed.load(), counters.page->unknown_results.load(),
               counters.page->example.load());
    }
    REQUIRE(t, counters.page->messages != 0 && counters.page->gifts != 0);
    // What is charged says what they have left behind; what is free says so, too, and what the kernel has lost or kept for itself.
    abi::QuotaStatus left{};
    std::uint64_t after = 0;
    const auto is_back = [&] {
        left = t.env.process.quota_status().value_or(abi::QuotaStatus{});
        after = free_pages(t.env);
        return after >= before && left.memory_used == charged.memory_used;
    };
    if (!eventually(t.env.clock, is_back, 1000 * kMillisecond)) {
        t.fail("free pages {} before, {} after; charged {} and {}; threads {} and {}", before, after,
               charged.memory_used, left.memory_used, charged.threads_used, left.threads_used);
    }
    REQUIRE_EQUAL(t, after, before);
    REQUIRE_EQUAL(t, left.threads_used, charged.threads_used);
}

constexpr std::uint64_t kLimit = 1 << 16;
constexpr std::uint64_t kPrimesBelow = 6542;  // OEIS A007053

// Counts its share: values[0] of values[1] -> values[2], then rings its own bell.
std::uint64_t count_primes(Station& station, cap::Ring&) {
    std::uint64_t primes = 0;
    for (std::uint64_t n = 2 + station.values[0]; n < kLimit; n += station.values[1]) {
        bool prime = true;
        for (std::uint64_t d = 2; d * d <= n && prime; ++d) {
            prime = n % d != 0;
        }
        primes += prime;
    }
    station.values[2] = primes;
    (void)cap::Notification(station.bell).signal(1);
    return 0;
}

// The real server schedules workers that count primes; the victim's successor serves.
void all_works(Case& t) {
    ServerProcess server(t, "policy=round_robin");
    REQUIRE(t, !t.failed() && server.is_ready());
    Crew crew(t);
    const std::uint64_t workers = t.cpus() + 1;
    for (std::uint64_t i = 0; i < workers; ++i) {
        const Worker& worker = crew.add({.main = count_primes});
        REQUIRE(t, !t.failed());
        worker.station->values[0] = i;
        worker.station->values[1] = workers;
        REQUIRE_OK(t, worker.thread.start());
    }
    std::uint64_t primes = 0;
    for (const Worker& worker : crew.workers()) {
        REQUIRE_EQUAL(t, MUST(t, worker.bell.wait(t.env.ring, patience_ns)), 1u);
        primes += worker.station->values[2];
    }
    REQUIRE_EQUAL(t, primes, kPrimesBelow);
    Victim victim(t);
    REQUIRE_OK(t, victim.start());
    for (int i = 0; i < 100; ++i) {
        REQUIRE(t, victim.ask());
    }
    const auto child = MUST(t, Child::start(t.env, "mode=exit value=5"));
    REQUIRE_EQUAL(t, MUST(t, child.wait(t.env)), 5u);
}

constexpr Entry kCases[] = {
    {"random_calls", random_calls},
    {"all_works", all_works},
};

}  // namespace

int cap_main(const cap::Env& env) { return test::run(env, "hostile_random", kCases); }
