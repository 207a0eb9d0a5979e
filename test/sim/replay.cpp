// SPDX-License-Identifier: MIT
#include "replay.hpp"

#include "assert_failed.hpp"
#include "cap/format.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

namespace sim {
namespace {

using sched::RecordEntry;
using sched::RecordKind;
using sched::Task;

std::string text_of(const std::uint64_t* words, std::size_t room) {
    const char* const bytes = reinterpret_cast<const char*>(words);
    return {bytes, ::strnlen(bytes, room)};
}

std::string say(cox::abi::ThreadRef ref) {
    return ref ? "thread " + std::to_string(ref.index) + "." + std::to_string(ref.generation) : "none";
}

std::string say_pick(std::uint64_t ref, std::uint64_t slice_ns, std::uint32_t hints) {
    const std::string thread = say(cox::abi::ThreadRef::from_raw(ref));
    return ref == 0 ? thread
                    : thread + ", slice " + std::to_string(slice_ns) + " ns, hints " + std::to_string(hints);
}

class Player {
public:
    Player(const Recording& recording, std::span<const sched::Setting> settings)
        : entries_(recording.entries), settings_(settings) {}

    Replay play() {
        begin();
        for (; at_ < entries_.size() && !replay_.difference; ++at_) {
            if (entries_[at_].now_ns != 0) {
                now_ns_ = entries_[at_].now_ns;
            }
            try {
                call(entries_[at_]);
            } catch (const AssertFailed& failed) {
                differ(failed.what());
            }
        }
        return std::move(replay_);
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        throw BadRecording("entry " + std::to_string(at_) + ": " + what);
    }
    const RecordEntry& take(RecordKind kind, const char* what) {
        if (at_ == entries_.size() || entries_[at_].kind != kind) {
            fail(std::string(what) + " is missing");
        }
        return entries_[at_++];
    }
    [[nodiscard]] bool next_is(RecordKind kind) const {
        return at_ < entries_.size() && entries_[at_].kind == kind;
    }

    // Up to the policy that is ready.
    void begin() {
        const RecordEntry& name = take(RecordKind::kPolicy, "the policy's name");
        replay_.policy = text_of(name.words.data(), sizeof(name.words));
        std::vector<std::pair<std::string, std::string>> parameters;
        while (next_is(RecordKind::kParameter)) {
            const RecordEntry& entry = entries_[at_++];
            parameters.emplace_back(text_of(&entry.words[1], 32), std::to_string(entry.words[0]));
        }
        while (next_is(RecordKind::kCpu)) {
            const std::uint64_t place = entries_[at_++].words[0];
            cpus_.push_back({.core = static_cast<std::uint16_t>(place),
                             .cache = static_cast<std::uint16_t>(place >> 16),
                             .node = static_cast<std::uint16_t>(place >> 32),
                             .served = (place >> 48 & 1) != 0});
        }
        take(RecordKind::kStart, "the start");
        std::vector<sched::Setting> settings;
        for (const auto& [parameter, value] : parameters) {
            settings.push_back({parameter, value});
        }
        settings.insert(settings.end(), settings_.begin(), settings_.end());
        cap::LineBuffer<400> error;
        const sched::PolicyEntry* const entry = sched::find_policy(replay_.policy);
        if (entry == nullptr) {
            sched::print_unknown_policy(error, replay_.policy);
            throw BadRecording(std::string(error.view()));
        }
        policy_ = seat_->prepare(*entry, settings, {cpus_}, error);
        if (policy_ == nullptr) {
            throw BadRecording(std::string(error.view()));
        }
    }

    void call(const RecordEntry& entry) {
        ++replay_.calls;
        switch (entry.kind) {
            case RecordKind::kParameter: set_parameter(entry); break;
            case RecordKind::kTask: describe(entry); break;
            case RecordKind::kEnqueue: policy_->enqueue(task(entry), entry.cause, entry.now_ns); break;
            case RecordKind::kPick: pick(entry); break;
            case RecordKind::kRemove: policy_->remove(task(entry)); break;
            case RecordKind::kStopped: policy_->stopped(task(entry), entry.cause, entry.now_ns); break;
            case RecordKind::kAdopt: policy_->adopt(task(entry), entry.now_ns); break;
            case RecordKind::kAffinity: policy_->affinity_changed(task(entry), entry.now_ns); break;
            case RecordKind::kPreempt: {
                const auto cpu = policy_->preempt(entry.now_ns);
                compare("preempt()", entry.cpu, cpu ? *cpu : RecordEntry::kNoCpu);
                break;
            }
            case RecordKind::kNextTick:
                compare("next_tick_ns()", entry.words[0], policy_->next_tick_ns());
                break;
            case RecordKind::kTick: policy_->tick(entry.now_ns); break;
            case RecordKind::kDepth: compare("depth()", entry.words[0], policy_->depth()); break;
            case RecordKind::kDonor: policy_->donor_changed(task(entry), entry.now_ns); break;
            case RecordKind::kGone: policy_->gone(task(entry), entry.now_ns); break;
            case RecordKind::kRecall: {
                const Task* const task = policy_->recall(entry.now_ns);
                compare("recall()", say(cox::abi::ThreadRef::from_raw(entry.ref)),
                        say(task != nullptr ? task->ref : cox::abi::ThreadRef{}));
                break;
            }
            case RecordKind::kFeedsIdle:
                compare("feeds_idle()", entry.words[0], policy_->feeds_idle() ? 1 : 0);
                break;
            case RecordKind::kCpuTaken: policy_->cpu_taken(entry.cpu, entry.now_ns); break;
            case RecordKind::kCpuReturned: policy_->cpu_returned(entry.cpu, entry.now_ns); break;
            default: fail("kind " + std::to_string(static_cast<int>(entry.kind)) + " has no place here");
        }
    }

    void set_parameter(const RecordEntry& entry) {
        const std::string name = text_of(&entry.words[1], 32);
        const auto known = policy_->parameters();
        const auto found = std::ranges::find(known, name, &sched::Parameter::name);
        if (found == known.end()) {
            fail("the policy has no parameter " + name);
        }
        *found->value = entry.words[0];
    }

    // A new thread in the line finds its scratch zero, as in the server.
    void describe(const RecordEntry& entry) {
        const auto ref = cox::abi::ThreadRef::from_raw(entry.ref);
        std::unique_ptr<Task>& task = tasks_[ref.index];
        if (!task) {
            task = std::make_unique<Task>();
        }
        if (task->ref != ref) {
            task->ref = ref;
            task->scratch = {};
        }
        task->affinity = entry.words[0];
        task->label = entry.words[1];
        task->runtime_ns = entry.words[2];
        task->runnable_since_ns = entry.words[3];
        task->last_cpu = static_cast<std::uint32_t>(entry.words[4]);
        task->cpu = static_cast<std::uint32_t>(entry.words[4] >> 32);
        task->donor = nullptr;
        if (entry.extra != 0) {
            const auto found = tasks_.find(entry.extra - 1);
            if (found == tasks_.end()) {
                fail("the donor of " + say(ref) + " has not been described");
            }
            task->donor = found->second.get();
        }
    }

    Task& task(const RecordEntry& entry) {
        const auto ref = cox::abi::ThreadRef::from_raw(entry.ref);
        const auto found = tasks_.find(ref.index);
        if (found == tasks_.end() || found->second->ref != ref) {
            fail(say(ref) + " has not been described");
        }
        return *found->second;
    }

    void pick(const RecordEntry& entry) {
        const auto pick = policy_->pick_next(entry.cpu, entry.now_ns);
        const std::string call = "pick_next(CPU " + std::to_string(entry.cpu) + ")";
        compare(call, say_pick(entry.ref, entry.words[0], entry.extra),
                pick ? say_pick(pick->task->ref.raw(), pick->slice_ns, pick->hints) : say_pick(0, 0, 0));
        replay_.picks += pick ? 1 : 0;
    }

    void compare(const std::string& call, std::uint64_t recorded, std::uint64_t replayed) {
        compare(call, std::to_string(recorded), std::to_string(replayed));
    }
    void compare(const std::string& call, const std::string& recorded, const std::string& replayed) {
        ++replay_.decisions;
        if (recorded != replayed) {
            differ(call + ": recorded " + recorded + "; replayed " + replayed);
        }
    }
    void differ(const std::string& what) {
        replay_.difference = "entry " + std::to_string(at_) + ", " + std::to_string(now_ns_) + " ns: " + what;
    }

    std::span<const RecordEntry> entries_;
    std::span<const sched::Setting> settings_;
    std::size_t at_ = 0;
    std::uint64_t now_ns_ = 0;
    std::vector<sched::CpuPlace> cpus_;
    std::unique_ptr<sched::PolicySeat> seat_ = std::make_unique<sched::PolicySeat>();
    sched::Policy* policy_ = nullptr;
    std::map<std::uint32_t, std::unique_ptr<Task>> tasks_;  // by line; each stays where it is
    Replay replay_;
};

}  // namespace

Replay replay(const Recording& recording, std::span<const sched::Setting> settings) {
    return Player(recording, settings).play();
}

}  // namespace sim
