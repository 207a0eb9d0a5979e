// SPDX-License-Identifier: MIT
//
// A page fault of another process, on the same CPU, until its thread executes again: told by a notification, read, ended. The page is
// not mapped, so that the next fault follows at once; or it is, and another one was taken away.
#include "bench.hpp"
#include "child.hpp"

namespace {

namespace abi = cox::abi;
using bench::Operation;

constexpr std::uint64_t kWindow = 0x60'0000'0000;
constexpr std::string_view kTouch = "touch";

struct Faulting {
    cap::Spawned child;
    cap::Notification bell;
    cap::Memory memory;
};

// The child faults from its start on, and is there when the first operation comes.
cap::Result<Faulting*> faulting(const cap::Env& env) {
    static Faulting made;
    if (!made.bell) {
        made.bell = TRY(env.process.create_notification());
        made.memory = TRY(env.process.create_memory(2));
        const auto image = TRY(bench::image_of(env, "bench/faults"));
        made.child =
            TRY(cap::spawn(env, {.name = "faulting", .image = image, .arguments = kTouch, .caps = {}}));
        TRY(made.child.thread.set_affinity(1));
        TRY(made.child.thread.set_fault_handler(made.bell, 1));
        TRY(made.child.thread.start());
    }
    return &made;
}

template <bool Maps>
cap::Result<void> serve(const cap::Env& env, std::uint64_t count) {
    const Faulting& other = *TRY(faulting(env));
    for (std::uint64_t i = 0; i < count; ++i) {
        TRY(other.bell.wait(env.ring));
        const auto fault = TRY(other.child.thread.fault());
        if constexpr (Maps) {
            TRY(other.child.process.unmap(kWindow, 2));
            const std::uint64_t page = (fault.address - kWindow) / abi::kPageSize;
            TRY(other.child.process.map(other.memory, fault.address & ~(abi::kPageSize - 1), page, 1,
                                        abi::kRead | abi::kWrite));
        }
        TRY(other.child.thread.retry_fault());
    }
    return {};
}

constexpr Operation kOperations[] = {
    {"page_fault", 2'000, serve<false>},
    {"page_fault_mapped", 2'000, serve<true>},
};

[[noreturn]] void touch() {
    for (std::uint64_t page = 0;; page = 1 - page) {
        *reinterpret_cast<volatile std::uint64_t*>(kWindow + page * abi::kPageSize) = page;
    }
}

}  // namespace

int cap_main(const cap::Env& env) {
    if (env.arguments() == kTouch) {
        touch();
    }
    return bench::run(env, kOperations);
}
