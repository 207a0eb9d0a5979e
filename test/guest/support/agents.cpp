// SPDX-License-Identifier: MIT
#include "support/agents.hpp"

#include "support/patience.hpp"

#include <algorithm>
#include <bit>

namespace test {

namespace {

constexpr std::uint64_t kSoonNs = 300 * kMicrosecond;

}  // namespace

Agents::Agents(Case& t, Manner manner, std::uint64_t cpus, cap::SchedDomain domain)
    : manner_(manner), cpus_(t.cpus()), storage_(free_storage()), seats_(storage_.seats) {
    storage_.in_use = true;
    server_.emplace(t, 0, domain);
    for (std::uint32_t cpu = 0; cpu < cpus_; ++cpu) {
        if ((cpus >> cpu & 1) == 0) {
            continue;
        }
        seats_[cpu].emplace(*this, cpu, t.seed * abi::kMaxCpus + cpu);
        auto started = server_->add_agent(cpu, run, &*seats_[cpu]);
        if (started) {
            started = server_->agent(cpu).thread.start();
        }
        if (!started) {
            t.fail("agent {} cannot be started: {}", cpu, started.error());
        }
    }
}

Agents::~Agents() {
    server_.reset();
    storage_.in_use = false;
}

// The seats are too large for a stack.
Agents::Storage& Agents::free_storage() {
    static std::array<Storage, abi::kMaxDomains> all;
    return *std::ranges::find(all, false, &Storage::in_use);
}

std::uint64_t Agents::run(cap::Ring& ring, void* argument) {
    Seat& seat = *static_cast<Seat*>(argument);
    Agents& self = seat.agents;
    bool waits = false;
    for (;;) {
        const std::size_t late = std::exchange(seat.late_count, 0);
        for (std::size_t i = 0; i < late; ++i) {
            self.look(seat, seat.late[i]);
        }
        while (const auto index = self.server_->agent(seat.cpu).events->take()) {
            self.look(seat, *index);
        }
        const std::uint64_t timeout_ns = seat.late_count != 0 ? kSoonNs : abi::kForever;
        // The other way to wait. Events that came before are seen by it, too.
        if (self.manner_ != Manner::kPlain && seat.random.one_in(2)) {
            const auto waited = self.server_->domain().commit_and_wait({}, 0, 0, timeout_ns);
            if (!waited && waited.error() != abi::Error::kTimedOut) {
                return waited.error() == abi::Error::kWrongState ? 0 : 1;
            }
            waits = waits && !ring.next();
            continue;
        }
        if (!waits && !ring.prepare(cap::submission(abi::Op::kWaitEvents, self.server_->domain().slot()))) {
            return 1;
        }
        waits = true;
        const auto entered = ring.submit_and_wait(1, timeout_ns);
        if (!entered && entered.error() != abi::Error::kTimedOut) {
            return 1;
        }
        if (const auto completion = ring.next()) {
            if (completion->result != 1) {
                return 0;
            }
            waits = false;
        }
    }
}

// A CPU that has come back may be what threads wait for.
void Agents::look_at_cpu(Seat& seat, std::uint32_t index) {
    if (server_->line(index).domain != server_->number() || !stranded_.exchange(false)) {
        return;
    }
    for (std::uint32_t line = 0; line < abi::kMaxThreads; ++line) {
        look(seat, line);
    }
}

void Agents::look(Seat& seat, std::uint32_t index) {
    if (index >= abi::kMaxThreads) {
        return look_at_cpu(seat, index);
    }
    const Line line = server_->line(index);
    if (line.word.state() != abi::ThreadState::kUnplaced || line.domain != server_->number()) {
        return;
    }
    std::uint64_t usable = server_->cpus_of(line.affinity);
    if (usable == 0) {
        stranded_ = true;  // first: what is returned from now on is heard of by who looks at the flag
        usable = server_->cpus_of(line.affinity);
    }
    if (usable == 0) {
        return;
    }
    if (manner_ == Manner::kPlain) {
        const std::uint32_t last = line.word.cpu();
        const auto first = static_cast<std::uint32_t>(std::countr_zero(usable));
        commit(line, (usable >> last & 1) != 0 ? last : first, 0, abi::kNoSlice);
    } else if (seat.late_count < seat.late.size() && seat.random.one_in(6)) {
        seat.late[seat.late_count++] = index;
    } else {
        place_anywhere(seat, line, usable);
    }
}

void Agents::place_anywhere(Seat& seat, const Line& line, std::uint64_t usable) {
    Random& random = seat.random;
    // Never without one: threads spin until another does something.
    constexpr std::uint64_t kSlices[] = {1, 200 * kMicrosecond, kMillisecond};
    constexpr std::uint32_t kFlags[] = {
        0, 0, 0, abi::kCommitHead, abi::kCommitPreempt, abi::kCommitHead | abi::kCommitPreempt};
    const auto somewhere = [&] {
        return commit(line, any_cpu(random, usable), kFlags[random.below(std::size(kFlags))],
                      kSlices[random.below(std::size(kSlices))]);
    };
    if (manner_ == Manner::kHints && random.one_in(8)) {
        const auto flags = static_cast<std::uint32_t>(random.below(4));
        server_->hint(line.ref, flags, any_cpu(random, usable), 1 + random.below(kMillisecond));
    }
    const bool first = somewhere();
    if (random.one_in(4) && somewhere() && first) {
        ++accepted_twice_;
    }
    if (random.one_in(8)) {
        delay_ticks(random.below(40'000));
        (void)commit(line, 0, abi::kCommitRecall, 0);
    }
}

bool Agents::commit(const Line& line, std::uint32_t cpu, std::uint32_t flags, std::uint64_t slice_ns) {
    const bool good =
        server_->domain().commit(line.ref, line.word.sequence(), cpu, flags, slice_ns).has_value();
    ++(good ? accepted_ : refused_);
    return good;
}

std::uint32_t Agents::any_cpu(Random& random, std::uint64_t usable) const {
    for (;;) {
        const auto cpu = static_cast<std::uint32_t>(random.below(cpus_));
        if ((usable >> cpu & 1) != 0) {
            return cpu;
        }
    }
}

}  // namespace test
