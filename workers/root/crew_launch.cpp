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
    program_ = given.find_program("worker");
    const auto has = [&](std::string_view name, manifest::ObjectKind kind, bool each_instance) {
        const manifest::Object* const object = given.find_object(name);
        return object != nullptr && object->kind == kind && object->each_instance == each_instance;
    };
    const bool complete = program_ != nullptr && program_->count == 0 &&
                          has("ready", manifest::ObjectKind::kNotification, false) &&
                          has("go", manifest::ObjectKind::kNotification, true) &&
                          has("result", manifest::ObjectKind::kMemory, true);
    if (!complete) {
        env_.log.print(
            "error: manifest {}: flow process-scale needs [program worker] with count = workers, "
            "[notification ready], "
            "and [notification go] and [memory result] with each = instance",
            context_.name);
    }
    return complete;
}

bool Crew::launch() {
    for (std::uint64_t i = 0; i < run_.workers; ++i) {
        if (const auto launched = launch_worker(i); !launched) {
            env_.log.print("error: worker {} cannot be started: {}", i, launched.error());
            return false;
        }
    }
    return true;
}

// Without a server every worker is set on its CPU by hand: that is the ceiling that the host itself gives.
cap::Result<void> Crew::launch_worker(std::uint64_t index) {
    WorkerSlot& worker = run_.slots[index];
    const bool server = context_.manifest.run.server;
    const std::uint64_t cpu = index % run_.cpus;
    const Placement placement{server && program_->domain, server ? program_->cpus : std::uint64_t{1} << cpu,
                              cpu};

    worker.go = TRY(context_.objects.get(env_, context_.manifest, "go", index));
    const cap::Memory memory(TRY(context_.objects.get(env_, context_.manifest, "result", index)));
    const std::uint64_t address = TRY(env_.space.reserve(1));
    TRY(env_.process.map(memory, address, 0, 1, abi::kRead));
    worker.page = reinterpret_cast<const cox::sieve::ResultPage*>(address);
    worker.child = TRY(root::launch(context_, *program_, index, placement, kChildExit + index));
    return worker.child.thread.start();
}

}  // namespace root
