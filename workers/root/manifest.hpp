// SPDX-License-Identifier: MIT
//
// The manifest: what the root task starts, and exactly which capabilities each program gets. docs/manifest.md
// is its specification. Parsing is pure; any bytes at all give a manifest or an error, and a manifest that
// was accepted is consistent: every capability names something that exists. Texts refer to the text that was
// parsed.
#pragma once

#include "abi/types.hpp"
#include "root/manifest_list.hpp"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

namespace cox::manifest {

inline constexpr std::size_t kMaxObjects = 16;
inline constexpr std::size_t kMaxPrograms = 8;
inline constexpr std::size_t kMaxGrants = 16;
inline constexpr std::size_t kMaxEvents = 16;
inline constexpr std::size_t kMaxDomains = abi::kMaxDomains - 1;  // besides the root domain
inline constexpr std::uint64_t kMaxInstances = 64;
inline constexpr std::size_t kMaxName = 23;  // of what a program finds by name

// "line 7: cap.log: rights among read write execute manage grant". Line 0 stands for the kernel's command
// line.
struct Error {
    std::uint32_t line = 0;
    std::string_view key;      // the key or section that is wrong
    std::string_view message;  // what is allowed there
};

template <class T>
using Result = std::expected<T, Error>;

// Which sequence of steps the root task follows.
enum class Flow : std::uint8_t { kPrograms, kProcessScale, kThreadScale };

struct Run {
    Flow flow = Flow::kPrograms;
    std::uint64_t workers = 1;
    std::string_view size = "default";
    std::uint64_t seed = 0;
    bool server = true;
    std::string_view fault = "none";
    std::uint64_t ready_timeout_s = 60;
    std::uint64_t run_timeout_s = 900;
};

// A capability that a program finds as `name`: to the object `object`, with these rights.
struct Grant {
    std::string_view name;
    std::string_view object;
    abi::Rights rights = 0;
    std::uint32_t line = 0;
};
using Grants = FixedList<Grant, kMaxGrants>;

struct Server {
    std::uint32_t line = 0;  // 0: the manifest has no server
    std::string_view program;
    std::string_view policy;
    std::string_view arguments;
    std::uint64_t cpus = 0;  // which it shall use, for the placeholder {cpus}; 0: all
    std::uint32_t cpus_line = 0;
    Grants grants;
};

// A child of the root domain, with CPUs and a scheduler server of its own.
struct Domain {
    std::uint32_t line = 0;
    std::string_view name;
    std::uint64_t cpus = 0;
    std::uint32_t cpus_line = 0;
    std::string_view program;  // its server; empty: the same as Server's
    std::string_view policy;   // empty: the same as Server's
    std::string_view arguments = "policy={policy}";
};

enum class ObjectKind : std::uint8_t { kNotification, kMemory };

// Something that the root task creates to hand it out.
struct Object {
    std::uint32_t line = 0;
    ObjectKind kind = ObjectKind::kNotification;
    std::string_view name;
    std::uint64_t pages = 1;     // memory
    bool each_instance = false;  // one for each instance of a program, or one for all
};

// A quota of a program's own, split from the root task's.
struct Allowance {
    std::uint64_t memory = 0;   // bytes
    std::uint64_t threads = 0;  // 0: it shares the root task's quota
};

struct Program {
    std::uint32_t line = 0;
    std::string_view name;
    std::string_view program;
    std::uint64_t count = 1;       // 0: as many as Run::workers
    bool domain = true;            // its threads run in a scheduling domain
    std::string_view domain_name;  // which; empty: the root domain
    std::uint32_t domain_line = 0;
    std::uint64_t cpus = 0;  // where they may run; 0: anywhere
    std::uint32_t cpus_line = 0;
    std::uint64_t label = 0;  // of its main thread: abi/sched_label.hpp
    Allowance quota;          // of each instance
    std::string_view arguments;
    std::uint64_t exit_code = 0;  // expected
    Grants grants;

    [[nodiscard]] std::uint64_t instances(const Run& run) const { return count != 0 ? count : run.workers; }
};

// What the root task does to the server while the programs run.
struct Event {
    enum class Kind : std::uint8_t { kNone, kCommand, kKill, kReplace };

    std::uint32_t line = 0;
    std::string_view name;
    std::uint64_t at_ms = 0;  // after the programs were started
    Kind kind = Kind::kNone;
    std::string_view
        text;  // kCommand: for the server; kReplace: the new binary's path, or none for the same again
    bool refused = false;  // the right outcome
};

struct Manifest {
    Run run;
    Server server;
    FixedList<Domain, kMaxDomains> domains;
    FixedList<Object, kMaxObjects> objects;
    FixedList<Program, kMaxPrograms> programs;
    FixedList<Event, kMaxEvents> events;

    [[nodiscard]] const Object* find_object(std::string_view name) const;
    [[nodiscard]] const Program* find_program(std::string_view name) const;
    [[nodiscard]] const Domain* find_domain(std::string_view name) const;
    // The CPUs that are not the root domain's.
    [[nodiscard]] std::uint64_t lent_cpus() const;
};

// Fills `out`, which must be new. It is large: an object of static storage duration.
[[nodiscard]] Result<void> parse(std::string_view text, Manifest& out);

// "policy", or a key of [run], as the kernel's command line may set it. Options for others are passed over.
[[nodiscard]] Result<void> override_option(Manifest& manifest, std::string_view key, std::string_view value);

// Arguments with {index}, {workers}, {size}, {seed}, {fault}, {policy} and {cpus} (the server's, as a mask)
// replaced, written to `buffer`. An error if it is too small.
[[nodiscard]] Result<std::string_view> expand_arguments(std::string_view arguments, const Manifest& manifest,
                                                        std::uint64_t index, std::span<char> buffer);
// The same for a domain's server: {policy} and {cpus} are the domain's, {index} is 0.
[[nodiscard]] Result<std::string_view> expand_arguments(const Domain& domain, const Manifest& manifest,
                                                        std::span<char> buffer);

}  // namespace cox::manifest
