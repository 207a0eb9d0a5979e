// SPDX-License-Identifier: MIT
//
// From _start to cap_main: checks the StartInfo page, builds Env, runs the static constructors. What a
// program needs of a C++ run-time beside that (failed assertions, pure virtual calls) ends here too.
#include "cap/env.hpp"
#include "cap/layout.hpp"
#include "cap/own_slots.hpp"
#include "core/assert.hpp"
#include "tls.hpp"

#include <new>

namespace {

using namespace cap;

constexpr std::uint64_t kExitBadStart = 124;
constexpr std::uint64_t kExitAssertion = 125;

// The main thread's ring and the address space live as long as the process, and no destructor ever runs.
template <class T>
struct Forever {
    alignas(T) std::byte bytes[sizeof(T)];
    template <class... Args>
    T& make(Args... args) {
        return *new (bytes) T(args...);
    }
};

Forever<Ring> main_ring;
Forever<AddressSpace> address_space;
const Env* program_env = nullptr;

using Constructor = void (*)();
extern "C" const Constructor __init_array_start[];
extern "C" const Constructor __init_array_end[];

abi::CapSlot slot_named(const abi::StartInfo& info, std::string_view name) {
    for (std::uint32_t i = 0; i < info.cap_count && i < abi::kMaxNamedCaps; ++i) {
        if (name == info.caps[i].name) {
            return abi::CapSlot::from_raw(info.caps[i].slot);
        }
    }
    return {};
}

}  // namespace

namespace cap {

std::optional<abi::CapSlot> Env::find_slot(std::string_view name) const {
    const abi::CapSlot slot = slot_named(info, name);
    return slot ? std::optional(slot) : std::nullopt;
}

abi::CapSlot detail::process_slot;

std::string_view Env::arguments() const { return info.arguments; }

std::span<const std::byte> Env::archive() const {
    return {reinterpret_cast<const std::byte*>(info.archive_address), info.archive_size};
}

void Env::exit(std::uint64_t code) const {
    (void)process.kill(code);
    thread_exit(code);
}

}  // namespace cap

extern "C" [[noreturn]] void cap_start(const abi::StartInfo* info, std::uint64_t stack_top) {
    set_up_local(stack_top - abi::kTcbSize);
    if (info->magic != abi::kStartMagic || info->abi_version != abi::kAbiVersion) {
        thread_exit(kExitBadStart);
    }
    const Env env{
        .info = *info,
        .process = Process(slot_named(*info, "process")),
        .thread = Thread(slot_named(*info, "thread")),
        .log = Log(slot_named(*info, "log")),
        .clock = Clock(info->tsc_hz),
        .ring = main_ring.make(info->ring_address),
        .space = address_space.make(info->free_address, kFreeEnd),
    };
    program_env = &env;
    detail::process_slot = env.process.slot();
    set_this_ring(env.ring);
    for (const Constructor* constructor = __init_array_start; constructor != __init_array_end;
         ++constructor) {
        (*constructor)();
    }
    thread_exit(static_cast<std::uint64_t>(cap_main(env)));
}

void cox::assert_failed(const char* expression, const char* file, int line) {
    if (program_env != nullptr) {
        program_env->log.print("assertion failed: {} ({}:{})", expression, file, line);
        program_env->exit(kExitAssertion);
    }
    thread_exit(kExitAssertion);
}
