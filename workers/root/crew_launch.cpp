// SPDX-License-Identifier: MIT
#include "root/crew.hpp"
#include "root/launch.hpp"

namespace root {

bool Crew::check() {
    const manifest::Manifest& manifest = context_.manifest;
    const auto known = cox::sieve::find_known(manifest.run.size);
    if (!known) {
        env_.log.print("error: size \"{}\" unknown; known: {}", manifest.run.size, cox::sieve::kKnownNames);
        return false;
    }
    run_.known = *known;
    run_.workers = manifest.run.workers;
    run_.cpus = env_.info.cpu_count;
    program_ = manifest.find_program("worker");
    bool complete = program_ != nullptr && program_->count == 0;
    for (const std::string_view object : {"ready", "go", "result"}) {
        complete = complete && manifest.find_object(object) != nullptr;
    }
    if (!complete) {
        env_.log.print(
            "error: manifest {}: flow process-scale needs [program worker] with count = workers, and the "
            "objects ready, go and result",
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
