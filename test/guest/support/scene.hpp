// SPDX-License-Identifier: MIT
//
// Scene: one object of each kind that can be changed, and what there is to see of them. Who may not do something tries it here:
// with arguments that would have an effect, and afterwards state() is what it was.
#pragma once

#include "cap/sched_domain.hpp"
#include "suite.hpp"
#include "support/doors.hpp"
#include "support/owned.hpp"
#include "support/random.hpp"

#include <array>

namespace test {

class Scene {
public:
    // Numbers, only to be compared. The first that differs is named by its index.
    using State = std::array<std::uint64_t, 20>;

    [[nodiscard]] static cap::Result<Scene> make(const cap::Env& env) {
        Scene made(env);
        made.process_ = Owned(TRY(env.process.create_process("scene")));
        abi::ThreadParams params{};
        params.ring_address = kRing;
        made.thread_ = Owned(TRY(made.process_->create_thread(params)));
        made.memory_ = Owned(TRY(env.process.create_memory(2)));
        made.address_ = TRY(env.space.reserve(2));
        TRY(env.process.map(*made.memory_, made.address_, 0, 2, abi::kRead | abi::kWrite));
        TRY(made.process_->map(*made.memory_, place(0), 0, 1, abi::kRead | abi::kWrite));
        made.bell_ = Owned(TRY(env.process.create_notification()));
        TRY(made.bell_->signal(kBits));
        return made;
    }
    Scene(Scene&& other) noexcept = default;
    Scene& operator=(Scene&&) = delete;
    ~Scene() {
        if (address_ != 0 && memory_->slot()) (void)env_.process.unmap(address_, 2);
        if (process_->slot()) (void)process_->kill(0);
    }

    // Of the types that it has; else nothing.
    [[nodiscard]] cap::Capability of(abi::ObjectType type) const {
        switch (type) {
            case abi::ObjectType::kProcess: return *process_;
            case abi::ObjectType::kThread: return *thread_;
            case abi::ObjectType::kMemory: return *memory_;
            case abi::ObjectType::kNotification: return *bell_;
            default: return {};
        }
    }

    // What an operation could be given to do harm.
    [[nodiscard]] std::array<std::uint64_t, 4> arguments(Random& random) {
        write_params(random);
        std::array<std::uint64_t, 4> made{};
        for (std::uint64_t& each : made) each = argument(random);
        return made;
    }

    [[nodiscard]] State state() const {
        State seen{};
        std::size_t count = 0;
        const auto see = [&](std::uint64_t value) { seen[count++] = value; };
        const auto status = thread_->status();
        see(status ? status->word.raw : 0);
        see(status ? status->affinity : 0);
        const auto own = env_.thread.status();
        see(own ? own->affinity : 0);
        const auto bits = bell_->poll().value_or(0);
        (void)bell_->signal(bits);
        see(bits);
        for (std::uint64_t i = 0; i < kPlaces; ++i) {  // kOverlap where something is mapped
            const auto mapped = process_->map(*memory_, place(i), 0, 1, abi::kRead);
            if (mapped) (void)process_->unmap(place(i), 1);
            see(static_cast<std::uint64_t>(error_of(mapped)));
        }
        see(*reinterpret_cast<const volatile std::uint64_t*>(address_));
        see(reinterpret_cast<const volatile std::uint64_t*>(address_)[abi::kPageSize / 8]);
        const cap::SchedDomain domain(*env_.find_slot("domain"));
        see(domain.cpus().value_or(0));
        see(static_cast<std::uint64_t>(error_of(domain.detach())));  // kNotAttached
        const auto free = bell_->derive(0);
        see(free ? free->index : ~0u);  // the lowest free slot
        if (free) cap::Capability(*free).drop();
        return seen;
    }

    [[nodiscard]] static constexpr std::uint64_t place(std::uint64_t index) {
        return 0x10'0000'0000 + index * abi::kPageSize;
    }

private:
    static constexpr std::uint64_t kRing = 0x20'0000, kBits = 5, kPlaces = 4;

    explicit Scene(const cap::Env& env) : env_(env) {}

    void write_params(Random& random) {
        const auto slot = env_.find_slot("domain");
        process_params_ = {random.one_in(2) ? slot->raw() : 0, "scene"};
        thread_params_ = {.entry = place(0),
                          .stack = place(1),
                          .argument = 0,
                          .ring_address = place(1 + random.below(3)),
                          .fs_base = 0,
                          .affinity = 0,
                          .label = random.next(),
                          .first_cpu = 0};
    }

    std::uint64_t argument(Random& random) const {
        const abi::CapSlot slots[] = {process_->slot(), thread_->slot(),     memory_->slot(),
                                      bell_->slot(),    env_.process.slot(), env_.thread.slot()};
        switch (random.below(12)) {
            case 0: return slots[random.below(std::size(slots))].raw();
            case 1:
            case 2: return place(random.below(kPlaces));
            case 3: return reinterpret_cast<std::uint64_t>(&process_params_);
            case 4: return reinterpret_cast<std::uint64_t>(&thread_params_);
            case 5: return address_ + random.below(2) * abi::kPageSize;
            case 6: return abi::map_word(1 + random.below(2), 1 + random.below(7));
            case 7: return static_cast<std::uint64_t>(abi::ExitCode::kPass);
            case 8: return thread_->ref().value_or(abi::ThreadRef{}).raw();
            case 9: return std::uint64_t{1} << random.below(64);
            default: return random.below(4);
        }
    }

    const cap::Env& env_;
    Owned<cap::Process> process_;
    Owned<cap::Thread> thread_;
    Owned<cap::Memory> memory_;
    Owned<cap::Notification> bell_;
    std::uint64_t address_ = 0;
    abi::ProcessParams process_params_{};
    abi::ThreadParams thread_params_{};
};

}  // namespace test
