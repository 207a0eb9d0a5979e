// SPDX-License-Identifier: MIT
#include "support/crew.hpp"

#include "cap/spawn.hpp"
#include "core/cpio.hpp"
#include "support/patience.hpp"

namespace test {

namespace {

// Where a thread of the crew begins. The stack is as a caller would have left it.
[[noreturn]] void worker_entry(Station* station) {
    cap::Ring ring(station->ring_address);
    cap::thread_exit(station->main(*station, ring));
}

cap::Result<cap::Spawned> spawn_image(const cap::Env& env, cap::SchedDomain named, cap::Quota quota) {
    const auto archive = cox::core::CpioArchive::open(env.archive());
    const auto name = cox::core::CommandLine(env.arguments()).find("root");
    const auto image = archive && name ? archive->find(*name) : std::nullopt;
    const auto domain = named ? std::optional(named.slot()) : env.find_slot("domain");
    if (!image || !domain) {
        return cap::fail(abi::Error::kBadSlot);
    }
    return cap::spawn(env, {.name = "crew", .image = *image, .domain = *domain, .quota = quota.slot()});
}

}  // namespace

std::uint64_t obey(Station& station, cap::Ring& ring) {
    for (;;) {
        switch (station.order.load()) {
            case Order::kSpin:
                station.beats.fetch_add(1);
                __builtin_ia32_pause();
                break;
            case Order::kWait:
                station.waits_begun.fetch_add(1);
                (void)cap::Notification(station.bell).wait(ring);
                station.waits_done.fetch_add(1);
                break;
            case Order::kExit: return station.values[0].load();
        }
    }
}

Crew::Crew(Case& t, cap::SchedDomain domain, cap::Quota quota) : t_(t) {
    const auto spawned = spawn_image(t.env, domain, quota);
    if (!spawned) {
        t.fail("the crew cannot be spawned: {}", spawned.error());
        return;
    }
    process_ = spawned->process;
    spawned->thread.drop();  // stays created until the process ends
}

Crew::~Crew() {
    (void)process_.kill(0);
    if (process_) {
        if (const auto gone = process_.wait_exit(t_.env.ring, patience_ns); !gone) {
            t_.fail("the crew's process does not go: {}", gone.error());
        }
    }
    for (const Worker& worker : workers()) {
        worker.thread.drop();
        worker.bell.drop();
        (void)t_.env.process.unmap(reinterpret_cast<std::uint64_t>(worker.station), 1);
    }
    process_.drop();
}

void* Crew::share_pages(std::uint64_t pages) {
    const auto shared = [&]() -> cap::Result<std::uint64_t> {
        const cap::Env& env = t_.env;
        const std::uint64_t address = TRY(env.space.reserve(pages));
        const cap::Memory memory = TRY(env.process.create_memory(pages));
        auto mapped = env.process.map(memory, address, 0, pages, abi::kRead | abi::kWrite);
        if (mapped) {
            mapped = process_.map(memory, address, 0, pages, abi::kRead | abi::kWrite);
        }
        memory.drop();
        TRY(mapped);
        return address;
    }();
    if (!shared) {
        t_.fail("memory cannot be shared with the crew: {}", shared.error());
        return nullptr;
    }
    return reinterpret_cast<void*>(*shared);
}

Worker& Crew::add(const WorkerOptions& options) {
    Worker& worker = count_ < kMaxWorkers ? workers_[count_] : none_;
    auto made = count_ < kMaxWorkers ? set_up(worker) : cap::fail(abi::Error::kNoSlot);
    if (made) {
        ++count_;
        made = create_thread(worker, options);
    }
    if (!made) {
        t_.fail("worker {} cannot be created: {}", count_, made.error());
    }
    return worker;
}

void Crew::renew(Worker& worker, const WorkerOptions& options) {
    worker.thread.drop();
    worker.thread = {};
    auto made = process_.unmap(worker.station->ring_address, abi::kRingPages);
    if (made) {
        made = create_thread(worker, options);
    }
    if (!made) {
        t_.fail("a worker cannot be created again: {}", made.error());
    }
}

cap::Result<void> Crew::set_up(Worker& worker) {
    const cap::Env& env = t_.env;
    const std::uint64_t station = TRY(env.space.reserve(1 + abi::kRingPages + 1 + kStackPages));
    const cap::Memory memory = TRY(env.process.create_memory(1 + kStackPages));
    TRY(env.process.map(memory, station, 0, 1, abi::kRead | abi::kWrite));
    worker.station = new (reinterpret_cast<void*>(station)) Station();
    auto mapped = process_.map(memory, station, 0, 1, abi::kRead | abi::kWrite);
    if (mapped) {
        mapped = process_.map(memory, stack_of(*worker.station), 1, kStackPages, abi::kRead | abi::kWrite);
    }
    memory.drop();
    TRY(mapped);
    worker.bell = TRY(env.process.create_notification());
    worker.station->bell = TRY(process_.give(worker.bell.slot(), abi::kRead | abi::kWrite));
    worker.station->ring_address = station + abi::kPageSize;
    return {};
}

std::uint64_t Crew::stack_of(const Station& station) const {
    return reinterpret_cast<std::uint64_t>(&station) + (1 + abi::kRingPages + 1) * abi::kPageSize;
}

cap::Result<void> Crew::create_thread(Worker& worker, const WorkerOptions& options) const {
    Station& station = *worker.station;
    station.main = options.main;
    station.argument = options.argument;
    station.order.store(options.order);
    constexpr std::uint64_t kReturnAddress = 8;
    const abi::ThreadParams params{
        .entry = reinterpret_cast<std::uint64_t>(&worker_entry),
        .stack = stack_of(station) + kStackPages * abi::kPageSize - kReturnAddress,
        .argument = reinterpret_cast<std::uint64_t>(&station),
        .ring_address = station.ring_address,
        .fs_base = reinterpret_cast<std::uint64_t>(&station),
        .affinity = options.affinity,
        .label = options.label,
        .first_cpu = options.first_cpu,
    };
    worker.thread = TRY(process_.create_thread(params));
    worker.ref = TRY(worker.thread.ref());
    return {};
}

}  // namespace test
