// SPDX-License-Identifier: MIT
//
// Manifests. An accepted one is consistent, as root/manifest.hpp promises; blank lines and comments before it change
// nothing but line numbers; arguments expand into the buffer or not at all.
#include "root/manifest.hpp"
#include "abi/sched_label.hpp"

#include <array>
#include <memory>
#include <string>

#include "fuzz.hpp"

namespace cox::fuzz {
namespace {

using namespace manifest;

bool is_initial_name(std::string_view name) {
    return name == "log" || name == "domain" || name == "machine" || name == "archive";
}

void check_grants(const Manifest& from, const Grants& grants, bool instances) {
    for (const Grant& grant : grants) {
        const Object* const object = from.find_object(grant.object);
        FUZZ_CHECK(object != nullptr || is_initial_name(grant.object));
        FUZZ_CHECK(object == nullptr || instances || !object->each_instance);
        FUZZ_CHECK(!grant.name.empty() && grant.name.size() <= kMaxName);
        FUZZ_CHECK((grant.rights & ~abi::kAllRights) == 0 && grant.rights != 0);
    }
}

void check_expansion(const Manifest& from, std::string_view arguments) {
    std::array<char, 64> small;
    std::vector<char> large(8192);
    for (const std::span<char> buffer : {std::span<char>(small), std::span<char>(large)}) {
        const auto expanded = expand_arguments(arguments, from, 63, buffer);
        FUZZ_CHECK(!expanded || (expanded->size() <= buffer.size() && expanded->data() == buffer.data()));
    }
}

// CPUs have one owner each, and whatever belongs to a domain can run there.
void check_domains(const Manifest& from) {
    std::uint64_t lent = 0;
    for (const Domain& domain : from.domains) {
        FUZZ_CHECK(from.run.server && from.run.flow == Flow::kPrograms);
        FUZZ_CHECK(from.find_domain(domain.name) == &domain && domain.name.size() <= kMaxName);
        FUZZ_CHECK(domain.cpus != 0 && (domain.cpus & 1) == 0 && (domain.cpus & lent) == 0);
        lent |= domain.cpus;
        std::array<char, 64> small;
        const auto expanded = expand_arguments(domain, from, small);
        FUZZ_CHECK(!expanded || expanded->size() <= small.size());
    }
    FUZZ_CHECK(from.lent_cpus() == lent && (from.server.cpus == 0 || (from.server.cpus & ~lent) != 0));
    for (const Program& program : from.programs) {
        const Domain* const domain = from.find_domain(program.domain_name);
        FUZZ_CHECK((domain != nullptr) == !program.domain_name.empty());
        FUZZ_CHECK(!program.domain || program.cpus == 0 ||
                   (program.cpus & (domain != nullptr ? domain->cpus : ~lent)) != 0);
    }
}

void check_consistent(const Manifest& from) {
    check_domains(from);

    FUZZ_CHECK(from.run.workers >= 1 && from.run.workers <= kMaxInstances);
    FUZZ_CHECK(from.run.ready_timeout_s >= 1 && from.run.run_timeout_s >= 1);
    FUZZ_CHECK(from.server.line != 0 || !from.run.server);
    for (const Object& object : from.objects) {
        FUZZ_CHECK(!is_initial_name(object.name) && from.find_object(object.name) == &object);
        FUZZ_CHECK(object.name.size() <= kMaxName && object.pages >= 1 && object.pages <= 512);
    }
    for (const Program& program : from.programs) {
        FUZZ_CHECK(from.find_program(program.name) == &program && !program.program.empty());
        FUZZ_CHECK(program.instances(from.run) >= 1 && program.instances(from.run) <= kMaxInstances);
        FUZZ_CHECK(abi::SchedLabel::unpack(program.label).fits());
        check_grants(from, program.grants, true);
        check_expansion(from, program.arguments);
    }
    for (const Event& event : from.events) {
        FUZZ_CHECK(event.kind != Event::Kind::kNone && event.text.size() <= 500 &&
                   event.name.size() <= kMaxName);
        FUZZ_CHECK(from.run.server && from.run.flow == Flow::kPrograms);
    }
    if (from.server.line != 0) {
        FUZZ_CHECK(!from.server.program.empty());
        check_grants(from, from.server.grants, false);
        check_expansion(from, from.server.arguments);
    }
}

void check_same(const Manifest& a, const Manifest& b, std::uint32_t lines) {
    FUZZ_CHECK(a.run.flow == b.run.flow && a.run.workers == b.run.workers && a.run.size == b.run.size);
    FUZZ_CHECK(a.run.seed == b.run.seed && a.run.server == b.run.server && a.run.fault == b.run.fault);
    FUZZ_CHECK(a.server.program == b.server.program && a.server.cpus == b.server.cpus);
    FUZZ_CHECK(a.domains.size() == b.domains.size() && a.lent_cpus() == b.lent_cpus());
    FUZZ_CHECK(a.objects.size() == b.objects.size() && a.programs.size() == b.programs.size());
    for (std::size_t i = 0; i < a.programs.size(); ++i) {
        const Program& one = a.programs[i];
        const Program& other = b.programs[i];
        FUZZ_CHECK(one.name == other.name && one.program == other.program && one.count == other.count);
        FUZZ_CHECK(one.arguments == other.arguments && one.exit_code == other.exit_code &&
                   one.label == other.label);
        FUZZ_CHECK(one.line + lines == other.line && one.grants.size() == other.grants.size());
    }
}

bool check(Bytes input) {
    const std::string_view text = core::as_text(input);
    const auto made = std::make_unique<Manifest>();
    const auto parsed = parse(text, *made);
    const std::string shifted_text = "# a comment\n\n" + std::string(text);
    const auto shifted = std::make_unique<Manifest>();
    const auto parsed_again = parse(shifted_text, *shifted);
    FUZZ_CHECK(parsed.has_value() == parsed_again.has_value());
    if (!parsed) {
        FUZZ_CHECK(!parsed.error().message.empty());
        FUZZ_CHECK(parsed.error().message == parsed_again.error().message);
        FUZZ_CHECK(parsed.error().line == 0 || parsed.error().line + 2 == parsed_again.error().line);
        return false;
    }
    check_consistent(*made);
    check_same(*made, *shifted, 2);
    if (override_option(*made, "workers", "7")) {
        FUZZ_CHECK(made->run.workers == 7);
    }
    return true;
}

std::vector<ByteVector> seeds() {
    return {
        bytes_of(R"([run]
flow = process-scale
workers = 4       # trailing comment
size = smoke
seed = 0x10
server = on
[server]
program = sched-server
policy = fifo
cpus = 1,3-4
arguments = policy={policy} cpus={cpus}
cap.log = write
cap.ready = server-ready write
[notification server-ready]
[notification go]
each = instance
[memory result]
each = instance
pages = 3
[program worker]
program = workers/primes
count = workers
domain = no
label = priority:200 period_us:0x2710 budget_us:2000
arguments = index={index} of={workers} size={size} seed={seed} fault={fault}
exit = 7
cap.log = write
cap.result = read write
)"),
        bytes_of("[run]\nflow = thread-scale\nserver = off\n[program hello]\nprogram = "
                 "workers/hello\ncount = 2\n"),
        bytes_of("[server]\nprogram = s\ncap.ready = b write\n[notification b]\n[event e]\nat_ms = 9\ndo = "
                 "kill\n"),
        bytes_of(R"([server]
program = s
policy = fifo
cap.ready = b write
[notification b]
[domain one]
cpus = 1,4-5
[domain two]
cpus = 2
program = t
policy = fair
arguments = policy={policy} request_us=2000 cpus={cpus}
[program p]
program = x
domain = two
cpus = 2,7
)")};
}

}  // namespace

const Target kTarget{check, seeds};

}  // namespace cox::fuzz
