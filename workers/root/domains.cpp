// SPDX-License-Identifier: MIT
#include "root/domains.hpp"

#include "cap/format.hpp"

#include <bit>

namespace root {

namespace {

constexpr std::uint64_t kEnded = 77;  // the exit code of a server that is ended
constexpr std::uint64_t kLookNs = 1'000'000;

template <class Visit>
cap::Result<void> for_each_cpu(std::uint64_t cpus, Visit visit) {
    for (; cpus != 0; cpus &= cpus - 1) {
        TRY(visit(static_cast<std::uint32_t>(std::countr_zero(cpus))));
    }
    return {};
}

// The CPU at that place among these, counted around.
std::uint64_t cpu_at(std::uint64_t cpus, std::uint64_t place) {
    for (place %= static_cast<std::uint64_t>(std::popcount(cpus)); place != 0; --place) {
        cpus &= cpus - 1;
    }
    return static_cast<std::uint64_t>(std::countr_zero(cpus));
}

cap::Result<cap::SchedDomain> root_domain(const cap::Env& env) {
    return TRY_OR(env.find<cap::SchedDomain>("domain"), abi::Error::kBadSlot);
}

bool has(cap::SchedDomain domain, std::uint64_t cpus) {
    const auto now = domain.cpus();
    return now && (*now & cpus) == cpus;
}

}  // namespace

bool Domains::lend() {
    return each("make", &Domains::make) && each("lend its CPUs", &Domains::lend_cpus) &&
           wait_for_each("lend its CPUs",
                         [&](std::size_t i) { return has(seats_[i].domain, list()[i].cpus); });
}

bool Domains::start() {
    return each("start its server", &Domains::start_server) &&
           wait_for_each("wait for its server",
                         [&](std::size_t i) { return seats_[i].server == Server::kAtWork; });
}

bool Domains::end() {
    ending_ = true;
    const auto root = root_domain(env_);
    const bool back =
        each("end its server", &Domains::end_server) &&
        wait_for_each("end its server", [&](std::size_t i) { return seats_[i].server == Server::kGone; }) &&
        each("reclaim its CPUs", &Domains::reclaim_cpus) &&
        wait_for_each("reclaim its CPUs", [&](std::size_t i) { return root && has(*root, list()[i].cpus); });
    for (const Seat& seat : seats_) {
        if (back && seat.domain) {
            seat.domain.drop();
        }
    }
    return back;
}

cap::Result<void> Domains::make(std::size_t number) {
    seats_[number].domain = TRY(TRY(root_domain(env_)).create_child());
    return {};
}

cap::Result<void> Domains::lend_cpus(std::size_t number) {
    const cap::SchedDomain root = TRY(root_domain(env_));
    return for_each_cpu(list()[number].cpus,
                        [&](std::uint32_t cpu) { return root.lend_cpu(cpu, seats_[number].domain); });
}

cap::Result<void> Domains::start_server(std::size_t number) {
    const manifest::Domain& domain = list()[number];
    Seat& seat = seats_[number];
    const std::string_view program =
        domain.program.empty() ? context_.manifest.server.program : domain.program;
    std::array<char, sizeof(abi::StartInfo::arguments)> buffer;
    const auto arguments = manifest::expand_arguments(domain, context_.manifest, buffer);
    if (!arguments) {
        return cap::fail(abi::Error::kBadArgument);
    }
    seat.ready = TRY(env_.process.create_notification());
    const cap::GivenCap caps[] = {{"log", TRY_OR(env_.find_slot("log"), abi::Error::kBadSlot), abi::kWrite},
                                  {"domain", seat.domain.slot(), abi::kRead | abi::kWrite | abi::kManage},
                                  {"ready", seat.ready.slot(), abi::kWrite}};
    const auto file = TRY_OR(context_.archive.find(program), abi::Error::kBadArgument);
    seat.spawned = TRY(cap::spawn(env_, {.name = program,
                                         .image = file,
                                         .arguments = *arguments,
                                         .caps = caps,
                                         .affinity = domain.cpus,
                                         .first_cpu = cpu_at(domain.cpus, 0)}));
    TRY(env_.ring.prepare(
        cap::submission(abi::Op::kWaitExit, seat.spawned.process.slot(), kDomainExit + number)));
    TRY(env_.ring.prepare(cap::submission(abi::Op::kWaitBits, seat.ready.slot(), kDomainReady + number)));
    seat.server = Server::kStarting;
    return seat.spawned.thread.start();
}

cap::Result<void> Domains::end_server(std::size_t number) {
    seats_[number].server = Server::kEnding;
    return seats_[number].spawned.process.kill(kEnded);
}

cap::Result<void> Domains::reclaim_cpus(std::size_t number) {
    const cap::SchedDomain root = TRY(root_domain(env_));
    return for_each_cpu(list()[number].cpus, [&](std::uint32_t cpu) { return root.reclaim_cpu(cpu); });
}

bool Domains::concerns(const abi::Completion& completion) {
    return completion.user_data >= kDomainReady && completion.user_data < kDomainExit + manifest::kMaxDomains;
}

bool Domains::take(const abi::Completion& completion) {
    const bool exit = completion.user_data >= kDomainExit;
    const std::size_t number = completion.user_data - (exit ? kDomainExit : kDomainReady);
    Seat& seat = seats_[number];
    if (!exit) {
        seat.server = Server::kAtWork;
        return true;
    }
    if (seat.server == Server::kEnding && completion.result == static_cast<std::int64_t>(kEnded)) {
        seat.server = Server::kGone;
        seat.spawned.thread.drop();
        seat.spawned.process.drop();
        return true;
    }
    env_.log.print("error: the scheduler server of domain {} ended with code {}{}", list()[number].name,
                   completion.result, seat.server == Server::kStarting ? " before it was ready" : "");
    return false;
}

bool Domains::take_any(const abi::Completion& completion) {
    if (concerns(completion)) {
        return take(completion);
    }
    if (!ending_) {  // then there is nothing but the root domain's server
        env_.log.print("error: the scheduler server ended with code {}", completion.result);
    }
    return ending_;
}

// In a domain it begins there: it could run nowhere else. The root domain has each CPU that was not lent.
Placement Domains::placement(const manifest::Program& program, std::uint64_t index) const {
    const bool domain = context_.manifest.run.server && program.domain;
    const std::uint64_t machine = ~std::uint64_t{0} >> (64 - env_.info.cpu_count);
    Placement placement{domain, program.cpus, index % env_.info.cpu_count};
    if (!domain || list().size() == 0) {
        return placement;
    }
    std::uint64_t cpus = machine & ~context_.manifest.lent_cpus();
    if (const manifest::Domain* const child = context_.manifest.find_domain(program.domain_name)) {
        placement.child = seats_[static_cast<std::size_t>(child - list().begin())].domain.slot();
        cpus = child->cpus;
    }
    const std::uint64_t allowed = program.cpus != 0 ? cpus & program.cpus : cpus;
    placement.first_cpu = cpu_at(allowed != 0 ? allowed : cpus, index);
    return placement;
}

void Domains::report() const {
    for (const manifest::Domain& domain : list()) {
        env_.log.print("case: name=domain.{} result=pass", domain.name);
    }
}

bool Domains::each(std::string_view step, cap::Result<void> (Domains::*action)(std::size_t)) {
    for (std::size_t i = 0; i < list().size(); ++i) {
        if (const auto done = (this->*action)(i); !done) {
            return failed(i, step, done.error());
        }
    }
    return true;
}

template <class Done>
bool Domains::wait_for_each(std::string_view step, Done done) {
    Waiting waiting(env_, context_.manifest.run.ready_timeout_s);
    for (std::size_t i = 0; i < list().size(); ++i) {
        while (!done(i)) {
            if (const auto slept = waiting.sleep(kLookNs); !slept) {
                return failed(i, step, slept.error());
            }
            while (const auto completion = env_.ring.next()) {
                if (!take_any(*completion)) {
                    return false;
                }
            }
        }
    }
    return true;
}

bool Domains::failed(std::size_t number, std::string_view step, abi::Error error) const {
    env_.log.print("error: domain {}: {}: {}", list()[number].name, step, error);
    return false;
}

}  // namespace root
