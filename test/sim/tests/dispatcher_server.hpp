// SPDX-License-Identifier: MIT
//
// DispatcherServer: the server's own Dispatcher in a simulation, for up to 64 CPUs and 2,048 threads. It sees the threads
// through a status table, as in the kernel, and its hints come from hint lines.
#pragma once

#include "dispatcher.hpp"
#include "server_side.hpp"

#include <array>
#include <memory>

namespace test {

namespace abi = cox::abi;

class DispatcherServer final : public sim::ServerSide {
public:
    DispatcherServer(sim::World& world, sched::Policy& policy)
        : world_(world),
          policy_(policy),
          dispatcher_(std::make_unique<sched::Dispatcher>(
              policy, tables_->lines,
              world.cpus.size() == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << world.cpus.size()) - 1,
              cap::Clock(1'000'000'000), tables_->hints.data())) {
        for (std::uint32_t cpu = 0; cpu < world.cpus.size(); ++cpu) {
            tables_->lines[abi::kMaxThreads + cpu].domain = 1;
        }
    }

    void activate() override {
        for (const sim::SimThread& thread : world_.threads) {
            show(thread);
        }
        while (!world_.events.empty() && world_.events.front().due_ns <= world_.now_ns) {
            const sim::ServerEvent event = world_.events.front();
            world_.events.pop_front();
            if (event.thread != nullptr) {
                event.thread->event_pending = false;
            }
            dispatcher_->observe(
                event.thread != nullptr ? event.thread->ref.index : abi::kMaxThreads + event.cpu,
                world_.now_ns);
        }
        bool done = false;
        while (!done) {
            batch_.clear();
            done = dispatcher_->fill(batch_, world_.now_ns);
            for (const sched::CommitRequest& request : batch_.requests()) {
                world_.result.decisions += request.recall() ? 0 : 1;
                world_.commits.push_back({world_.now_ns + world_.scenario.costs.commit_ns,
                                          &world_.threads[request.ref.index], request.sequence, request.cpu,
                                          request.flags, request.slice_ns});
            }
        }
        for (sim::SimThread& thread : world_.threads) {
            const abi::HintLine& line = tables_->hints[thread.ref.index];
            const std::uint64_t word = line.word.load();
            thread.hint = word >> 32 == thread.ref.generation ? static_cast<std::uint32_t>(word & 3) : 0;
            thread.hint_cpu = static_cast<std::uint32_t>(word >> 8 & 0xff);
            thread.hint_slice_ns = line.slice_ns.load();
        }
        const std::uint64_t next_ns = policy_.next_tick_ns();
        tick_ns_ = next_ns == sched::kNever ? sim::kForever : std::max(next_ns, world_.now_ns + 20'000);
    }

    void refused(const sim::Commit& commit, abi::Error error) override {
        show(*commit.thread);
        ++world_.result.refusals;
        const sched::CommitTag tag{.sequence = commit.sequence,
                                   .line = commit.thread->ref.index,
                                   .cpu = commit.cpu,
                                   .recall = (commit.flags & abi::kCommitRecall) != 0};
        dispatcher_->refused(tag, error, world_.now_ns);
    }

    std::uint64_t tick_ns() const override { return tick_ns_; }
    void finish() override {}

private:
    struct Tables {
        std::array<abi::StatusLine, abi::kStatusLines> lines{};
        std::array<abi::HintLine, abi::kMaxThreads> hints{};
    };

    void show(const sim::SimThread& thread) {
        if (thread.state == abi::ThreadState::kCreated) {
            return;
        }
        abi::StatusLine& line = tables_->lines[thread.ref.index];
        line.word = static_cast<std::uint64_t>(thread.state) | std::uint64_t{thread.word_cpu} << 8 |
                    static_cast<std::uint64_t>(thread.cause) << 26 | std::uint64_t{thread.sequence} << 32;
        line.ref = thread.ref.raw();
        line.runtime_ns = thread.stopped_service_ns;
        const bool calls = thread.state == abi::ThreadState::kWaiting && thread.cause == abi::Cause::kCalls;
        line.runnable_since = !calls || thread.lends    ? thread.since_ns
                              : thread.named != nullptr ? abi::called_name(thread.named->ref)
                                                        : abi::called_name({});
        line.serves = static_cast<std::uint16_t>(thread.serves != nullptr ? thread.serves->ref.index + 1 : 0);
        line.affinity = thread.affinity;
        line.label = thread.label;
        line.domain = 1;
    }

    sim::World& world_;
    sched::Policy& policy_;
    std::unique_ptr<Tables> tables_ = std::make_unique<Tables>();
    std::unique_ptr<sched::Dispatcher> dispatcher_;
    sched::CommitBatch batch_;
    std::uint64_t tick_ns_ = 0;
};

}  // namespace test
