// SPDX-License-Identifier: MIT
//
// Domains, when the whole manifest has been read.
#include "root/manifest_check.hpp"

namespace cox::manifest {

namespace {

std::unexpected<Error> wrong(std::uint32_t line, std::string_view key, std::string_view message) {
    return std::unexpected(Error{line, key, message});
}

Result<void> check_domain(const Manifest& manifest, const Domain& domain, std::uint64_t taken) {
    if (manifest.run.flow != Flow::kPrograms || !manifest.run.server) {
        return wrong(domain.line, domain.name, "domains are for the flow programs, with a server");
    }
    if (manifest.find_domain(domain.name) != &domain) {
        return wrong(domain.line, domain.name, "names a second domain; names of domains must differ");
    }
    if (domain.cpus == 0) {
        return wrong(domain.line, domain.name, "needs the key cpus");
    }
    if ((domain.cpus & taken) != 0) {
        return wrong(domain.cpus_line, "cpus",
                     "has a CPU that an earlier domain has; each CPU is one's only");
    }
    return {};
}

// A thread without a CPU of its domain would wait for ever.
Result<void> check_program(const Manifest& manifest, const Program& program) {
    std::uint64_t cpus = ~manifest.lent_cpus();
    if (!program.domain_name.empty()) {
        const Domain* const domain = manifest.find_domain(program.domain_name);
        if (domain == nullptr) {
            return wrong(program.domain_line, "domain",
                         "no such domain; there are yes, no and those with a section [domain NAME]");
        }
        cpus = domain->cpus;
    }
    if (program.domain && program.cpus != 0 && (program.cpus & cpus) == 0) {
        return wrong(program.cpus_line, "cpus", "has no CPU of the program's domain");
    }
    return {};
}

}  // namespace

Result<void> check_domains(const Manifest& manifest) {
    std::uint64_t taken = 0;
    for (const Domain& domain : manifest.domains) {
        if (auto checked = check_domain(manifest, domain, taken); !checked) {
            return checked;
        }
        taken |= domain.cpus;
    }
    if (manifest.server.cpus != 0 && (manifest.server.cpus & ~taken) == 0) {
        return wrong(manifest.server.cpus_line, "cpus", "has no CPU that is left to the root domain");
    }
    for (const Program& program : manifest.programs) {
        if (auto checked = check_program(manifest, program); !checked) {
            return checked;
        }
    }
    return {};
}

Result<void> check_machine(const Manifest& manifest, std::uint64_t cpu_count) {
    const std::uint64_t there = cpu_count < 64 ? (std::uint64_t{1} << cpu_count) - 1 : ~std::uint64_t{0};
    for (const Domain& domain : manifest.domains) {
        if ((domain.cpus & ~there) != 0) {
            return wrong(domain.cpus_line, "cpus", "has a CPU that this machine has not");
        }
    }
    return {};
}

}  // namespace cox::manifest
