// SPDX-License-Identifier: MIT
//
// The timed section begins with the look at the TSC right before the batch of signals and ends with the last worker's
// own last look. The root task sleeps from the batch to the last exit: it has one wait in flight for each, and takes no
// CPU time from anyone.
#include "root/flows.hpp"
#include "root/launch.hpp"
#include "root/report.hpp"
#include "root/scale_run.hpp"

namespace root {

namespace {

using cox::sieve::ResultPage;
using cox::sieve::WorkerState;

constexpr std::uint64_t kSettleNs = 1'000'000;

ScaleRun the_run;

class ProcessScale {
public:
    ProcessScale(Context& context, ScaleRun& run) : context_(context), env_(context.env), run_(run) {}

    bool prepare() {
        const auto known = cox::sieve::find_known(context_.manifest.run.size);
        if (!known) {
            env_.log.print("error: size \"{}\" unknown; known: {}", context_.manifest.run.size, cox::sieve::kKnownNames);
            return false;
        }
        run_.known = *known;
        run_.workers = context_.manifest.run.workers;
        run_.cpus = env_.info.cpu_count;
        program_ = context_.manifest.find_program("worker");
        for (const std::string_view object : {"ready", "go", "result"}) {
            if (context_.manifest.find_object(object) == nullptr || program_ == nullptr || program_->count != 0) {
                env_.log.print("error: manifest {}: flow process-scale needs [program worker] with count = workers, and "
                               "the objects ready, go and result",
                               context_.name);
                return false;
            }
        }
        return true;
    }

    bool launch_workers() {
        for (std::uint64_t i = 0; i < run_.workers; ++i) {
            if (const auto launched = launch_worker(i); !launched) {
                env_.log.print("error: worker {} cannot be started: {}", i, launched.error());
                return false;
            }
        }
        return true;
    }

    // Until all have prepared their shares and wait for the release.
    bool wait_until_ready() {
        Waiting waiting(env_, context_.manifest.run.ready_timeout_s);
        while (!all_ready()) {
            if (!ring_bell_in_flight() || !take_one(waiting.next(), "until all workers were ready")) {
                return false;
            }
        }
        while (!all_waiting()) {
            if (const auto slept = waiting.sleep(kSettleNs); !slept) {
                return gave_up(slept.error(), "until all workers waited for the release");
            }
            while (const auto completion = env_.ring.next()) {
                if (!take_one(*completion, "")) {
                    return false;
                }
            }
        }
        return empty_bell(waiting);
    }

    bool release_and_wait() {
        for (WorkerSlot& worker : run_.worker_slots()) {
            auto signal = cap::submission(abi::Op::kSignal, worker.go, kSignalled, 1);
            signal.flags = abi::kQuietSuccess;
            if (!env_.ring.prepare(signal)) {
                env_.log.write("error: no room for all signals of the release");
                return false;
            }
        }
        Waiting waiting(env_, context_.manifest.run.run_timeout_s);
        running_ = true;
        run_.release = cap::read_tsc();
        for (std::uint64_t left = run_.workers; left != 0; left = count_running()) {
            if (!take_one(waiting.next_of(left), "for all workers to end")) {
                return false;
            }
        }
        return true;
    }

private:
    cap::Result<void> launch_worker(std::uint64_t index) {
        WorkerSlot& worker = run_.slots[index];
        const bool server = context_.manifest.run.server;
        const std::uint64_t cpu = index % run_.cpus;
        const Placement placement{server && program_->domain, server ? program_->cpus : std::uint64_t{1} << cpu, cpu};
        worker.go = TRY(context_.objects.get(env_, context_.manifest, "go", index));
        const cap::Memory memory(TRY(context_.objects.get(env_, context_.manifest, "result", index)));
        const std::uint64_t address = TRY(env_.space.reserve(1));
        TRY(env_.process.map(memory, address, 0, 1, abi::kRead));
        worker.page = reinterpret_cast<const ResultPage*>(address);
        worker.child = TRY(launch(context_, *program_, index, placement, kChildExit + index));
        return worker.child.thread.start();
    }

    // One completion of those that can come now. False: it means that the run has failed.
    bool take_one(const cap::Result<abi::Completion>& completion, std::string_view waited) {
        if (!completion) {
            return gave_up(completion.error(), waited);
        }
        if (completion->user_data == kBell) {
            bell_in_flight_ = false;
            return true;
        }
        if (completion->user_data == kSignalled) {  // one that failed; the others complete quietly
            env_.log.print("error: a worker could not be released: {}", static_cast<abi::Error>(completion->result));
            return false;
        }
        if (completion->user_data < kChildExit) {
            env_.log.print("error: the scheduler server ended with code {}", completion->result);
            return false;
        }
        const std::uint64_t index = completion->user_data - kChildExit;
        run_.slots[index].exited = true;
        run_.slots[index].exit_code = completion->result;
        if (!running_) {
            env_.log.print("error: worker {} ended with code {} before the release", index, completion->result);
        }
        return running_;
    }

    bool gave_up(abi::Error error, std::string_view waited) {
        env_.log.print("error: waited {}: {}", waited, error);
        for (std::uint64_t i = 0; i < run_.workers; ++i) {
            const auto status = run_.slots[i].child.thread.status();
            env_.log.print("worker {}: exited={} state={} cpu={} cause={}", i, run_.slots[i].exited,
                           status ? static_cast<unsigned>(status->word.state()) : 0, status ? status->word.cpu() : 0,
                           status ? static_cast<unsigned>(status->cause) : 0);
        }
        return false;
    }

    bool ring_bell_in_flight() {
        if (bell_in_flight_) {
            return true;
        }
        const auto bell = context_.objects.get(env_, context_.manifest, "ready", 0);
        bell_in_flight_ = bell && env_.ring.prepare(cap::submission(abi::Op::kWaitBits, *bell, kBell));
        return bell_in_flight_;
    }

    // No wait for the bell may be left in flight: its completion would wake the root task in the timed section.
    bool empty_bell(Waiting& waiting) {
        const auto bell = context_.objects.get(env_, context_.manifest, "ready", 0);
        if (bell_in_flight_ && !cap::Notification(*bell).signal(1)) {
            return false;
        }
        while (bell_in_flight_) {
            if (!take_one(waiting.next(), "for the bell")) {
                return false;
            }
        }
        return true;
    }

    [[nodiscard]] bool all_ready() const {
        // Pairs with the worker's release.
        return all([](const WorkerSlot& worker) {
            return worker.page->state.load(std::memory_order_acquire) != WorkerState::kNothing;
        });
    }
    [[nodiscard]] bool all_waiting() const {
        return all([](const WorkerSlot& worker) {
            const auto status = worker.child.thread.status();
            return status && status->word.state() == abi::ThreadState::kWaiting;
        });
    }
    template <class Condition>
    [[nodiscard]] bool all(Condition condition) const {
        for (const WorkerSlot& worker : run_.worker_slots()) {
            if (!condition(worker)) {
                return false;
            }
        }
        return true;
    }
    [[nodiscard]] std::uint64_t count_running() const {
        std::uint64_t count = 0;
        for (const WorkerSlot& worker : run_.worker_slots()) {
            count += worker.exited ? 0 : 1;
        }
        return count;
    }

    Context& context_;
    const cap::Env& env_;
    ScaleRun& run_;
    const manifest::Program* program_ = nullptr;
    bool bell_in_flight_ = false;
    bool running_ = false;
};

}  // namespace

bool run_process_scale(Context& context) {
    const cap::Env& env = context.env;
    const manifest::Run& asked = context.manifest.run;
    ProcessScale scale(context, the_run);
    if (!scale.prepare() || (asked.server && !start_server(context)) || !scale.launch_workers() ||
        !scale.wait_until_ready()) {
        return false;
    }
    env.log.print("run: phase=ready workers={} policy={} server={}", the_run.workers, context.manifest.server.policy,
                  asked.server ? "on" : "off");
    const auto before = take(context, the_run, the_run.before);
    env.log.print("run: phase=begin ns={}", env.clock.now_ns());
    const bool ended = scale.release_and_wait();
    const auto after = take(context, the_run, the_run.after);
    env.log.print("run: phase=end ns={}", env.clock.now_ns());
    if (ended && (!before || !after)) {
        env.log.print("error: the kernel's accounting cannot be read: {}", before ? after.error() : before.error());
    }
    return ended && before && after && report(context, the_run);
}

}  // namespace root
