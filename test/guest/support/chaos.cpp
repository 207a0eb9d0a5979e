// SPDX-License-Identifier: MIT
#include "support/chaos.hpp"

#include "support/patience.hpp"

#include <new>

namespace test {

namespace {

constexpr abi::Rights kReadWrite = abi::kRead | abi::kWrite;

// Of the members of ring r, which crew: so that some follow a sibling, and others do not.
std::size_t crew_of(std::size_t ring, std::size_t member) {
    constexpr std::size_t kPattern[TokenRing::kMembers] = {0, 0, 1, 1, 2};
    return (kPattern[member] + ring) % Chaos::kCrews;
}

// A worker for renew().
Worker& add_gone(Crew& crew) {
    Worker& worker = crew.add();
    (void)worker.thread.kill(0);
    return worker;
}

}  // namespace

Chaos::Chaos(Case& t, DomainServer& server, std::size_t rings, std::uint64_t left_out_from)
    : t_(t),
      server_(server),
      random_(t.seed),
      rings_(rings),
      left_out_from_(left_out_from),
      mayflies_(t, t.seed) {
    for (auto& crew : crews_) {
        crew.emplace(t);
    }
    if (!t.failed()) {
        make();
    }
}

Chaos::~Chaos() {
    for (auto& crew : crews_) {
        crew.reset();
    }
    memory_.drop();
}

void Chaos::make() {
    constexpr std::uint64_t kPages = (sizeof(Commons) + abi::kPageSize - 1) / abi::kPageSize;
    memory_ = MUST(t_, t_.env.process.create_memory(kPages));
    const std::uint64_t address = MUST(t_, t_.env.space.reserve(kPages));
    REQUIRE_OK(t_, t_.env.process.map(memory_, address, 0, kPages, kReadWrite));
    commons_ = new (reinterpret_cast<void*>(address)) Commons();
    std::array<abi::CapSlot, kCrews> memory_there;
    for (std::size_t c = 0; c < kCrews; ++c) {
        const cap::Process process = crews_[c]->process();
        REQUIRE_OK(t_, process.map(memory_, address, 0, kPages, kReadWrite));
        own_process_[c] = MUST(t_, process.give(process.slot(), kReadWrite | abi::kManage));
        memory_there[c] = MUST(t_, process.give(memory_.slot(), kReadWrite));
    }
    for (std::size_t r = 0; r < rings_; ++r) {
        for (std::size_t c = 0; c < kCrews; ++c) {
            make_patch(commons_->patches[r][c], *crews_[c]);
        }
        for (std::size_t m = 0; m < TokenRing::kMembers; ++m) {
            members_[r][m] = &add_gone(*crews_[crew_of(r, m)]);
        }
        for (std::size_t m = 0; m < TokenRing::kMembers; ++m) {
            const std::size_t next = (m + 1) % TokenRing::kMembers;
            const std::size_t before = (m + TokenRing::kMembers - 1) % TokenRing::kMembers;
            const std::size_t c = crew_of(r, m);
            Member& member = commons_->rings[r].members[m];
            member.patch = &commons_->patches[r][c];
            member.after_sibling = crew_of(r, before) == c;
            member.process = own_process_[c];
            member.commons = memory_there[c];
            member.next_bell =
                MUST(t_, crews_[c]->process().give(members_[r][next]->bell.slot(), abi::kWrite));
        }
    }
    for (std::size_t i = 0; i < Mayflies::kSeats; ++i) {
        mayflies_.add(*crews_[i % kCrews], own_process_[i % kCrews], commons_->lives[i]);
    }
    for (std::size_t c = 0; c < kCrews; ++c) {
        meddler_workers_[c] = &add_gone(*crews_[c]);
    }
}

void Chaos::make_patch(Patch& patch, Crew& crew) {
    patch.address = MUST(t_, t_.env.space.reserve(1));
    for (std::size_t i = 0; i < patch.objects.size(); ++i) {
        const cap::Memory memory = MUST(t_, t_.env.process.create_memory(1));
        patch.objects[i] = MUST(t_, crew.process().give(memory.slot(), kReadWrite));
        if (i == patch.mapped) {
            REQUIRE_OK(t_, crew.process().map(memory, patch.address, 0, 1, kReadWrite));
        }
        memory.drop();
    }
}

void Chaos::start_rings() {
    for (std::size_t r = 0; r < rings_; ++r) {
        TokenRing& ring = commons_->rings[r];
        ring.commons = reinterpret_cast<std::uint64_t>(commons_);
        ring.leaving = ring.value = 0;
        ring.left_out_from = r == 0 ? left_out_from_ : 0;
        ring.hops = 0;
        ring.stop = false;
        hops_seen_[r] = 0;
        moved_at_[r] = t_.env.clock.now_ns();
        for (std::size_t m = 0; m < TokenRing::kMembers; ++m) {
            Member& member = ring.members[m];
            member.ring = &ring;
            member.next = &ring.members[(m + 1) % TokenRing::kMembers];
            member.number = m + 1;
            member.seed = random_.next();
            member.token = m == 0;
            for (auto* const count : {&member.waits, &member.parked, &member.unparked, &member.submitted,
                                      &member.completed, &member.cancelled, &member.timeouts}) {
                *count = 0;
            }
            crews_[crew_of(r, m)]->renew(*members_[r][m],
                                         {.main = hand_on, .argument = &member, .first_cpu = m % t_.cpus()});
            REQUIRE(t_, !t_.failed());
        }
        for (Worker* const worker : members_[r]) {
            REQUIRE_OK(t_, worker->thread.start());
        }
    }
}

void Chaos::start_meddlers() {
    const auto give_targets = [&](Meddler& meddler, auto give) {
        meddler.seed = random_.next();
        meddler.cpus = t_.cpus();
        meddler.stop = meddler.stopped = false;
        meddler.count = 0;
        for (std::size_t r = 0; r < rings_; ++r) {
            for (const Worker* const worker : members_[r]) {
                meddler.targets[meddler.count++] = MUST(t_, give(worker->thread));
            }
        }
    };
    for (std::size_t c = 0; c < kCrews; ++c) {
        Meddler& meddler = commons_->meddlers[c];
        give_targets(meddler, [&](cap::Thread thread) {
            return crews_[c]->process().give(thread.slot(), abi::kRead | abi::kManage);
        });
        crews_[c]->renew(*meddler_workers_[c], {.main = meddle, .argument = &meddler});
        REQUIRE(t_, !t_.failed());
        REQUIRE_OK(t_, meddler_workers_[c]->thread.start());
    }
    for (std::size_t i = 0; i < siblings_.size(); ++i) {
        Meddler& meddler = siblings_[i];
        meddler.server = &server_;
        give_targets(meddler, [](cap::Thread thread) { return thread.derive(abi::kRead | abi::kManage); });
        sibling_threads_[i] = MUST(t_, cap::JoiningThread::start(t_.env, [&meddler](cap::Ring& ring) {
                                       return meddle_as_sibling(ring, &meddler);
                                   }));
    }
}

void Chaos::stop_meddlers() {
    for (Meddler& meddler : commons_->meddlers) {
        meddler.stop = true;
    }
    for (Meddler& meddler : siblings_) {
        meddler.stop = true;
    }
    for (const Worker* const worker : meddler_workers_) {
        REQUIRE_EQUAL(t_, MUST(t_, worker->thread.join(t_.env.ring, patience_ns)), 0u);
    }
    for (auto& thread : sibling_threads_) {
        REQUIRE_EQUAL(t_, MUST(t_, thread.join(t_.env.ring)), 0u);
    }
}

void Chaos::let_a_process_come_and_go() {
    Crew crew(t_);
    for (const Order order : {Order::kSpin, Order::kWait, Order::kExit}) {
        const Worker& worker = crew.add({.order = order});
        REQUIRE(t_, !t_.failed());
        REQUIRE_OK(t_, worker.thread.start());
    }
    sleep_ns(random_.below(2 * kMillisecond));
    ++processes_;
}

std::size_t Chaos::standing_still(std::uint64_t patience_ns) {
    const std::uint64_t now = t_.env.clock.now_ns();
    for (std::size_t r = 0; r < rings_; ++r) {
        const std::uint64_t hops = commons_->rings[r].hops;
        if (hops != hops_seen_[r]) {
            hops_seen_[r] = hops;
            moved_at_[r] = now;
        } else if (now - moved_at_[r] > patience_ns) {
            return r;
        }
    }
    return kMaxRings;
}

void Chaos::run(std::uint64_t duration_ns) {
    start_rings();
    REQUIRE(t_, !t_.failed());
    start_meddlers();
    REQUIRE(t_, !t_.failed());
    const std::uint64_t end = t_.env.clock.now_ns() + duration_ns;
    while (t_.env.clock.now_ns() < end) {
        mayflies_.step();
        if (random_.one_in(128)) {
            let_a_process_come_and_go();
        }
        if (const std::size_t still = standing_still(patience_ns); still != kMaxRings) {
            fail_with_who_stands_still(still);
        }
        REQUIRE(t_, !t_.failed());
        sleep_ns(random_.below(500 * kMicrosecond));
    }
    mayflies_.finish();
    REQUIRE(t_, !t_.failed());
    stop_meddlers();
    REQUIRE(t_, !t_.failed());
    stop_rings();
}

void Chaos::stop_rings() {
    for (std::size_t r = 0; r < rings_; ++r) {
        commons_->rings[r].stop = true;
    }
    std::uint64_t hops = 0, waits = 0, timeouts = 0, cancelled = 0, remapped = 0;
    for (std::size_t r = 0; r < rings_; ++r) {
        const TokenRing& ring = commons_->rings[r];
        for (std::size_t m = 0; m < TokenRing::kMembers; ++m) {
            const auto code = members_[r][m]->thread.join(t_.env.ring, patience_ns);
            if (!code || *code != ring.members[m].number) {
                fail_with_who_stands_still(r);
            }
            REQUIRE(t_, !t_.failed());
        }
        check(ring, members_[r]);
        REQUIRE(t_, !t_.failed());
        hops += ring.hops;
        for (const Member& member : ring.members) {
            waits += member.waits;
            timeouts += member.timeouts;
            cancelled += member.cancelled;
            remapped += member.remapped;
        }
    }
    std::uint64_t suspended = 0, moved = 0, recalled = 0, hinted = 0, refused = 0;
    const auto add = [&](const Meddler& meddler) {
        suspended += meddler.suspended;
        moved += meddler.moved;
        recalled += meddler.recalled;
        hinted += meddler.hinted;
        refused += meddler.refused;
    };
    for (const Meddler& meddler : commons_->meddlers) {
        add(meddler);
    }
    for (const Meddler& meddler : siblings_) {
        add(meddler);
    }
    t_.env.log.print("chaos: hops={} waits={} timeouts={} cancelled={} remapped={}", hops, waits, timeouts,
                     cancelled, remapped);
    t_.env.log.print("chaos: suspended={} moved={} recalled={} hinted={} processes={} mayflies={} killed={}",
                     suspended, moved, recalled, hinted, processes_, mayflies_.made(), mayflies_.killed());
    REQUIRE_EQUAL(t_, refused, 0u);
    REQUIRE_EQUAL(t_, mayflies_.joined(), mayflies_.made());
    exercised_ = cancelled != 0 && remapped != 0 && suspended != 0 && moved != 0 && recalled != 0 &&
                 hinted != 0 && processes_ != 0 && mayflies_.killed() != 0;
}

// The token went through these hands in this order, and every wake is accounted for.
void Chaos::check(const TokenRing& ring, std::span<Worker*> workers) {
    std::uint64_t value = 0;
    // The last to leave works, and gives the token to nobody.
    for (std::uint64_t hop = 0; hop <= ring.hops; ++hop) {
        value = worked_on(value, ring.members[hop % TokenRing::kMembers].number);
    }
    REQUIRE_EQUAL(t_, ring.value, value);
    for (std::size_t m = 0; m < TokenRing::kMembers; ++m) {
        const Member& member = ring.members[m];
        const Member& before = ring.members[(m + TokenRing::kMembers - 1) % TokenRing::kMembers];
        REQUIRE_EQUAL(t_, member.error_line.load(), 0u);
        REQUIRE_EQUAL(t_, member.completed.load(), member.submitted.load());
        REQUIRE_EQUAL(t_, member.parked.load(), before.unparked.load());
        const std::uint64_t wakes = MUST(t_, workers[m]->thread.status()).wakes;
        // The first is its start; each wait has one at most.
        REQUIRE(t_, wakes >= 1 + member.parked);
        REQUIRE(t_, wakes <= 1 + member.waits);
    }
}

void Chaos::fail_with_who_stands_still(std::size_t r) {
    const TokenRing& ring = commons_->rings[r];
    for (std::size_t m = 0; m < TokenRing::kMembers; ++m) {
        const Member& member = ring.members[m];
        const auto status = members_[r][m]->thread.status();
        const abi::ThreadWord word = status ? status->word : abi::ThreadWord{};
        t_.env.log.print(
            "chaos: ring={} member={} thread={} state={} cpu={} requests={} wake_pending={} cause={} "
            "affinity={:x} token={} medium={} error_line={} wakes={} hint={:x}",
            r, m, members_[r][m]->ref.index, static_cast<unsigned>(word.state()), word.cpu(), word.requests(),
            word.wake_pending(), static_cast<unsigned>(word.cause()), status ? status->affinity : 0,
            member.token.load(), static_cast<unsigned>(member.medium.load()), member.error_line.load(),
            status ? status->wakes : 0, server_.hint_line(*members_[r][m]).word.load());
    }
    t_.fail("ring {} stands still after {} hops", r, ring.hops.load());
}

}  // namespace test
