// SPDX-License-Identifier: MIT
#include "root/manifest_keys.hpp"

#include "abi/calls.hpp"
#include "root/manifest_values.hpp"

namespace cox::manifest {

namespace {

using Text = std::string_view;

template <class Section>
struct Key {
    Text name;
    Text allowed;
    bool (*set)(Section&, Text);
};

constexpr Text kWordAllowed = "must be one word";
constexpr Text kCpusAllowed = "must be all, or CPUs below 64 such as 0,2-3";
constexpr Text kDomainCpusAllowed =
    "must be CPUs from 1 to 63 such as 1,3-4; CPU 0 stays with the root domain";
constexpr Text kNumberAllowed = "must be a number";
constexpr Text kSecondsAllowed = "must be a number of seconds from 1 to 86400";
constexpr Text kArgumentsAllowed =
    "may hold the placeholders {index} {workers} {size} {seed} {fault} {policy} {cpus} and no other brace";
constexpr Text kLabelAllowed =
    "must be ATTRIBUTE:NUMBER..., each once: priority to 255, weight and group to 4095, period_us in "
    "hundreds to "
    "6553500, budget_us in tens to 655350";
constexpr Text kQuotaAllowed = "must be BYTES THREADS, at least 1 of each, such as 4M 8";
constexpr Text kGrantAllowed =
    "must be [OBJECT] RIGHT..., each right once, among read write execute manage grant";
constexpr std::uint64_t kAnyNumber = ~std::uint64_t{0};
constexpr std::uint64_t kMaxSeconds = 86400;

bool set_flow(Run& run, Text value) {
    bool threads = false;
    if (value == "programs") {
        run.flow = Flow::kPrograms;
        return true;
    }
    const bool known = read_choice(value, "thread-scale", "process-scale", threads);
    run.flow = threads ? Flow::kThreadScale : Flow::kProcessScale;
    return known;
}

constexpr Key<Run> kRunKeys[] = {
    {"flow", "must be process-scale, thread-scale or programs", set_flow},
    {"workers", "must be a number from 1 to 64",
     [](Run& run, Text value) { return read_number(value, 1, kMaxInstances, run.workers); }},
    {"size", kWordAllowed, [](Run& run, Text value) { return read_word(value, run.size); }},
    {"seed", kNumberAllowed,
     [](Run& run, Text value) { return read_number(value, 0, kAnyNumber, run.seed); }},
    {"server", "must be on or off",
     [](Run& run, Text value) { return read_choice(value, "on", "off", run.server); }},
    {"fault", kWordAllowed, [](Run& run, Text value) { return read_word(value, run.fault); }},
    {"ready_timeout_s", kSecondsAllowed,
     [](Run& run, Text value) { return read_number(value, 1, kMaxSeconds, run.ready_timeout_s); }},
    {"run_timeout_s", kSecondsAllowed,
     [](Run& run, Text value) { return read_number(value, 1, kMaxSeconds, run.run_timeout_s); }},
};

constexpr Key<Server> kServerKeys[] = {
    {"program", kWordAllowed, [](Server& server, Text value) { return read_word(value, server.program); }},
    {"policy", kWordAllowed, [](Server& server, Text value) { return read_word(value, server.policy); }},
    {"cpus", kCpusAllowed, [](Server& server, Text value) { return read_cpus(value, server.cpus); }},
    {"arguments", kArgumentsAllowed,
     [](Server& server, Text value) { return read_arguments(value, server.arguments); }},
};

constexpr Key<Domain> kDomainKeys[] = {
    {"cpus", kDomainCpusAllowed,
     [](Domain& domain, Text value) {
         return read_cpus(value, domain.cpus) && domain.cpus != 0 && (domain.cpus & 1) == 0;
     }},
    {"program", kWordAllowed, [](Domain& domain, Text value) { return read_word(value, domain.program); }},
    {"policy", kWordAllowed, [](Domain& domain, Text value) { return read_word(value, domain.policy); }},
    {"arguments", kArgumentsAllowed,
     [](Domain& domain, Text value) { return read_arguments(value, domain.arguments); }},
};

constexpr Key<Object> kObjectKeys[] = {
    {"each", "must be run or instance",
     [](Object& object, Text value) { return read_choice(value, "instance", "run", object.each_instance); }},
    {"pages", "must be a number from 1 to 512, and only memory has it",
     [](Object& object, Text value) {
         return object.kind == ObjectKind::kMemory &&
                read_number(value, 1, abi::kMaxPagesPerCall, object.pages);
     }},
};

constexpr Key<Program> kProgramKeys[] = {
    {"program", kWordAllowed, [](Program& program, Text value) { return read_word(value, program.program); }},
    {"count", "must be a number from 1 to 64, or workers",
     [](Program& program, Text value) {
         if (value == "workers") {
             program.count = 0;
             return true;
         }
         return read_number(value, 1, kMaxInstances, program.count);
     }},
    {"domain", "must be yes, no, or the name of a domain",
     [](Program& program, Text value) {
         if (read_choice(value, "yes", "no", program.domain)) {
             return true;
         }
         program.domain_name = value;
         return is_name(value);
     }},
    {"cpus", kCpusAllowed, [](Program& program, Text value) { return read_cpus(value, program.cpus); }},
    {"label", kLabelAllowed, [](Program& program, Text value) { return read_label(value, program.label); }},
    {"quota", kQuotaAllowed, [](Program& program, Text value) { return read_quota(value, program.quota); }},
    {"arguments", kArgumentsAllowed,
     [](Program& program, Text value) { return read_arguments(value, program.arguments); }},
    {"exit", kNumberAllowed,
     [](Program& program, Text value) { return read_number(value, 0, kAnyNumber >> 1, program.exit_code); }},
};

constexpr Key<Event> kEventKeys[] = {
    {"at_ms", "must be a number of milliseconds up to 86400000",
     [](Event& event, Text value) { return read_number(value, 0, kMaxSeconds * 1000, event.at_ms); }},
    {"do",
     "must be kill, replace [PROGRAM], or a command to the server: swap, set, statistics, dump, policies",
     [](Event& event, Text value) { return read_event(value, event); }},
    {"expect", "must be accepted or refused",
     [](Event& event, Text value) { return read_choice(value, "refused", "accepted", event.refused); }},
};

constexpr std::span<const Key<Run>> keys_of(const Run&) { return kRunKeys; }
constexpr std::span<const Key<Server>> keys_of(const Server&) { return kServerKeys; }
constexpr std::span<const Key<Domain>> keys_of(const Domain&) { return kDomainKeys; }
constexpr std::span<const Key<Object>> keys_of(const Object&) { return kObjectKeys; }
constexpr std::span<const Key<Program>> keys_of(const Program&) { return kProgramKeys; }
constexpr std::span<const Key<Event>> keys_of(const Event&) { return kEventKeys; }

constexpr Text key_names(const Run&) {
    return "unknown; [run] has flow workers size seed server fault ready_timeout_s run_timeout_s";
}
constexpr Text key_names(const Server&) {
    return "unknown; [server] has program policy cpus arguments cap.NAME";
}
constexpr Text key_names(const Domain&) { return "unknown; [domain NAME] has cpus program policy arguments"; }
constexpr Text key_names(const Object&) { return "unknown; an object has each, memory also pages"; }
constexpr Text key_names(const Program&) {
    return "unknown; [program NAME] has program count domain cpus label quota arguments exit cap.NAME";
}

constexpr Text key_names(const Event&) { return "unknown; [event NAME] has at_ms do expect"; }

std::unexpected<Error> wrong(const Assignment& assignment, Text message) {
    return std::unexpected(Error{assignment.line, assignment.key, message});
}

Result<void> add_grant(Grants& grants, const Assignment& assignment, Text name) {
    for (const Grant& grant : grants) {
        if (grant.name == name) {
            return wrong(assignment, "stands twice in this section");
        }
    }
    if (!is_name(name)) {
        return wrong(assignment, "the name after cap. must be 1 to 23 letters, digits, - or _, and no right");
    }
    Grant grant;
    if (!read_grant(assignment.value, name, grant)) {
        return wrong(assignment, kGrantAllowed);
    }
    Grant* const place = grants.add();
    if (place == nullptr) {
        return wrong(assignment, "at most 16 capabilities for one program");
    }
    *place = grant;
    place->line = assignment.line;
    return {};
}

// What is judged when the whole manifest has been read, and is then told with its line.
template <class Section>
void note_line(Section& section, const Assignment& assignment) {
    if constexpr (requires { section.cpus_line; }) {
        if (assignment.key == "cpus") {
            section.cpus_line = assignment.line;
        }
    }
    if constexpr (requires { section.domain_line; }) {
        if (assignment.key == "domain") {
            section.domain_line = assignment.line;
        }
    }
}

}  // namespace

template <class Section>
Result<void> set_key(Section& section, const Assignment& assignment, std::uint64_t& seen) {
    if constexpr (requires { section.grants; }) {
        if (assignment.key.starts_with("cap.")) {
            return add_grant(section.grants, assignment, after(assignment.key, 4));
        }
    }
    std::uint64_t bit = 1;
    for (const auto& key : keys_of(section)) {
        if (key.name == assignment.key) {
            if ((seen & bit) != 0) {
                return wrong(assignment, "stands twice in this section");
            }
            seen |= bit;
            note_line(section, assignment);
            return key.set(section, assignment.value) ? Result<void>() : wrong(assignment, key.allowed);
        }
        bit <<= 1;
    }
    return wrong(assignment, key_names(section));
}

template Result<void> set_key(Run&, const Assignment&, std::uint64_t&);
template Result<void> set_key(Server&, const Assignment&, std::uint64_t&);
template Result<void> set_key(Domain&, const Assignment&, std::uint64_t&);
template Result<void> set_key(Object&, const Assignment&, std::uint64_t&);
template Result<void> set_key(Program&, const Assignment&, std::uint64_t&);
template Result<void> set_key(Event&, const Assignment&, std::uint64_t&);

}  // namespace cox::manifest
