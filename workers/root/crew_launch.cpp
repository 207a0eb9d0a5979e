// SPDX-License-Identifier: MIT
#include "root/crew.hpp"
#include "root/launch.hpp"

namespace root {

bool Crew::check() {
    const manifest::Manifest& given = context_.manifest;
    const auto known = cox::sieve::find_known(given.run.size);
    if (!known) {
        env_.log.print("error: size \"{}\" unknown; known: {}", given.run.size, cox::sieve::kKnownNames);
        return false;
    }
    run_.known = *known;
    run_.workers = given.run.workers;
    run_.cpus = env_.info.cpu_count;
    run_.threads = given.run.flow == manifest::Flow::kThreadScale;
    program_ = given.find_program("worker");
    if (!manifest_complete()) {
        const std::string_view needs =
            run_.threads ? "thread-scale needs [program worker] with count = 1, [notification ready], "
                           "[notification go], and [memory result] with pages = 2"
                         : "process-scale needs [program worker] with count = workers, [notification ready], "
                           "and [notification go] and [memory result] with each = instance";
        env_.log.print("error: manifest {}: flow {}", context_.name, needs);
        return false;
    }
    return true;
}

// The workers' process has one notification and all their lines; a worker that is a process has its own of each.
bool Crew::manifest_complete() const {
    const bool each = !run_.threads;
    const auto has = [&](std::string_view name, manifest::ObjectKind kind, bool each_instance) {
        const manifest::Object* const object = context_.manifest.find_object(name);
        return object != nullptr && object->kind == kind && object->each_instance == each_instance &&
               (kind == manifest::ObjectKind::kNotification || object->pages >= result_pages());
    };
    return program_ != nullptr && program_->count == (each ? 0 : 1) &&
           has("ready", manifest::ObjectKind::kNotification, false) &&
           has("go", manifest::ObjectKind::kNotification, each) &&
           has("result", manifest::ObjectKind::kMemory, each);
}

bool Crew::launch() {
    for (std::uint64_t i = 0; i < run_.process_count(); ++i) {
        if (const auto launched = launch_process(i); !launched) {
            env_.log.print("error: worker {} cannot be started: {}", i, launched.error());
            return false;
        }
    }
    return true;
}

// Without a server every worker is set on its CPU by hand: that is the ceiling that the host itself gives. (Threads do
// that themselves.)
cap::Result<void> Crew::launch_process(std::uint64_t index) {
    ProcessSlot& process = run_.slots[index];
    const bool server = context_.manifest.run.server;
    const std::uint64_t cpu = index % run_.cpus;
    const Placement placement{server && program_->domain, server ? program_->cpus : std::uint64_t{1} << cpu,
                              cpu};

    process.go = TRY(context_.objects.get(env_, context_.manifest, "go", index));
    const cap::Memory memory(TRY(context_.objects.get(env_, context_.manifest, "result", index)));
    const std::uint64_t address = TRY(env_.space.reserve(result_pages()));
    TRY(env_.process.map(memory, address, 0, result_pages(), abi::kRead));
    const auto* const lines = reinterpret_cast<const cox::sieve::ResultLine*>(address);
    for (std::uint64_t i = 0; i < (run_.threads ? run_.workers : 1); ++i) {
        run_.lines[index + i] = lines + i;
    }
    process.child = TRY(root::launch(context_, *program_, index, placement, kChildExit + index));
    return process.child.thread.start();
}

}  // namespace root
