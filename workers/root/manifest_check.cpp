// SPDX-License-Identifier: MIT
#include "root/manifest_check.hpp"

#include <algorithm>

namespace cox::manifest {

namespace {

constexpr std::string_view kInitial[] = {"log", "domain", "machine", "archive"};

std::unexpected<Error> wrong(std::uint32_t line, std::string_view key, std::string_view message) {
    return std::unexpected(Error{line, key, message});
}

Result<void> check_objects(const Manifest& manifest) {
    for (const Object& object : manifest.objects) {
        if (is_initial(object.name)) {
            return wrong(object.line, object.name, "is the name of a capability that exists from the start");
        }
        if (manifest.find_object(object.name) != &object) {
            return wrong(object.line, object.name, "names a second object; names of objects must differ");
        }
    }
    return {};
}

Result<void> check_grants(const Manifest& manifest, const Grants& grants, bool instances) {
    for (const Grant& grant : grants) {
        const Object* const object = manifest.find_object(grant.object);
        if (object == nullptr && !is_initial(grant.object)) {
            return wrong(
                grant.line, grant.object,
                "no such object; there are log domain machine archive and the objects with a section");
        }
        if (object != nullptr && object->each_instance && !instances) {
            return wrong(grant.line, grant.object, "exists once for each instance, and the server has none");
        }
    }
    return {};
}

Result<void> check_server(const Manifest& manifest) {
    const Server& server = manifest.server;
    if (server.line == 0) {
        return manifest.run.server ? wrong(0, "server", "the manifest has no [server], so server must be off")
                                   : Result<void>();
    }
    if (server.program.empty()) {
        return wrong(server.line, "server", "needs the key program");
    }
    const auto* const ready = std::find_if(server.grants.begin(), server.grants.end(),
                                           [](const Grant& grant) { return grant.name == "ready"; });
    const Object* const object = ready != server.grants.end() ? manifest.find_object(ready->object) : nullptr;
    if (object == nullptr || object->kind != ObjectKind::kNotification) {
        return wrong(server.line, "server", "needs cap.ready, to a notification");
    }
    return check_grants(manifest, server.grants, false);
}

bool server_has(const Manifest& manifest, std::string_view name, ObjectKind kind) {
    for (const Grant& grant : manifest.server.grants) {
        const Object* const object = manifest.find_object(grant.object);
        if (grant.name == name && object != nullptr && object->kind == kind) {
            return true;
        }
    }
    return false;
}

Result<void> check_event(const Manifest& manifest, const Event& event) {
    if (event.kind == Event::Kind::kNone) {
        return wrong(event.line, event.name, "needs the key do");
    }
    for (const Event& other : manifest.events) {
        if (&other != &event && other.name == event.name) {
            return wrong(std::max(other.line, event.line), event.name,
                         "names a second event; names of events must differ");
        }
    }
    if (manifest.run.flow != Flow::kPrograms || !manifest.run.server) {
        return wrong(event.line, event.name, "events are for the flow programs, with a server");
    }
    constexpr auto kBell = ObjectKind::kNotification;
    const bool controlled = server_has(manifest, "control", ObjectKind::kMemory) &&
                            server_has(manifest, "call", kBell) && server_has(manifest, "answered", kBell);
    if (event.kind != Event::Kind::kKill && !controlled) {
        return wrong(event.line, event.name,
                     "needs a server with cap.control to memory, cap.call and cap.answered to notifications");
    }
    if (event.kind == Event::Kind::kReplace && !server_has(manifest, "handover", kBell)) {
        return wrong(event.line, event.name, "needs a server with cap.handover to a notification");
    }
    return {};
}

Result<void> check_programs(const Manifest& manifest) {
    for (const Program& program : manifest.programs) {
        if (program.program.empty()) {
            return wrong(program.line, program.name, "needs the key program");
        }
        if (manifest.find_program(program.name) != &program) {
            return wrong(program.line, program.name, "names a second program; names of programs must differ");
        }
        if (auto checked = check_grants(manifest, program.grants, true); !checked) {
            return checked;
        }
    }
    return {};
}

}  // namespace

bool is_initial(std::string_view object) {
    return std::find(std::begin(kInitial), std::end(kInitial), object) != std::end(kInitial);
}

Result<void> check(const Manifest& manifest) {
    if (auto objects = check_objects(manifest); !objects) {
        return objects;
    }
    if (auto server = check_server(manifest); !server) {
        return server;
    }
    for (const Event& event : manifest.events) {
        if (auto event_checked = check_event(manifest, event); !event_checked) {
            return event_checked;
        }
    }
    if (auto domains = check_domains(manifest); !domains) {
        return domains;
    }
    return check_programs(manifest);
}

}  // namespace cox::manifest
