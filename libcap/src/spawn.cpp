// SPDX-License-Identifier: MIT
#include "cap/spawn.hpp"

#include "core/elf.hpp"
#include "loader.hpp"

#include <algorithm>

namespace cap {
namespace {

constexpr std::uint64_t kSpawnFailed = 123;  // exit code of a process that did not come to be

bool fits(const SpawnParams& params) {
    const auto name_fits = [](const GivenCap& given) {
        return given.name.size() < sizeof(abi::NamedCap::name);
    };
    return params.caps.size() + 2 <= abi::kMaxNamedCaps && std::ranges::all_of(params.caps, name_fits) &&
           params.arguments.size() < sizeof(abi::StartInfo::arguments) && params.stack_pages >= 1 &&
           params.stack_pages <= kMaxStackPages;
}

Result<cox::core::ElfImage> parse(std::span<const std::byte> file) {
    const auto image = cox::core::parse_elf(file, {.low = abi::kUserBottom, .high = kStartInfoAddress});
    if (!image) {
        const bool write_execute = image.error() == cox::core::ElfError::kWritableAndExecutable;
        return fail(write_execute ? abi::Error::kWriteExecute : abi::Error::kBadArgument);
    }
    return *image;
}

// Gives the child one capability and writes down where it finds it. fits() has checked the room.
Result<void> give(abi::StartInfo& info, Process child, const GivenCap& given) {
    const abi::CapSlot slot = TRY(child.give(given.slot, given.rights));
    abi::NamedCap& named = info.caps[info.cap_count++];
    given.name.copy(named.name, sizeof(named.name) - 1);
    named.slot = slot.raw();
    return {};
}

Result<void> load_start_info(const Env& env, const SpawnParams& params, const Spawned& child,
                             Loader& loader) {
    abi::StartInfo info{};
    info.magic = abi::kStartMagic;
    info.abi_version = abi::kAbiVersion;
    info.ring_address = kMainRingAddress;
    info.tsc_hz = env.info.tsc_hz;
    info.cpu_count = env.info.cpu_count;
    info.free_address = kFreeAddress;
    TRY(give(info, child.process, {"process", child.process.slot(), abi::kAllRights}));
    TRY(give(info, child.process, {"thread", child.thread.slot(), abi::kAllRights}));
    for (const GivenCap& given : params.caps) {
        TRY(give(info, child.process, given));
    }
    params.arguments.copy(info.arguments, sizeof(info.arguments) - 1);
    return loader.load(kStartInfoAddress, 1, abi::kRead, std::as_bytes(std::span(&info, 1)));
}

// Fills `child`, whose process exists, with everything else.
Result<void> build(const Env& env, const SpawnParams& params, const cox::core::ElfImage& image,
                   Spawned& child) {
    Loader loader(env, child.process);
    for (const auto& segment : image.segments()) {
        TRY(loader.load_segment(segment));
    }
    const std::uint64_t stack = kStackTop - params.stack_pages * abi::kPageSize;
    TRY(loader.load(stack, params.stack_pages, abi::kRead | abi::kWrite));
    child.thread = TRY(child.process.create_thread({
        .entry = image.entry,
        .stack = kStackTop,
        .argument = kStartInfoAddress,
        .ring_address = kMainRingAddress,
        .fs_base = kStackTop - abi::kTcbSize,
        .affinity = params.affinity,
        .label = params.label,
        .first_cpu = params.first_cpu,
    }));
    return load_start_info(env, params, child, loader);
}

}  // namespace

void Spawned::discard(std::uint64_t exit_code) const {
    (void)process.kill(exit_code);
    if (thread) {
        thread.drop();
    }
    process.drop();
}

Result<Spawned> spawn(const Env& env, const SpawnParams& params) {
    if (!fits(params)) {
        return fail(abi::Error::kBadArgument);
    }
    const cox::core::ElfImage image = TRY(parse(params.image));
    Spawned child{.process = TRY(env.process.create_process(params.name, params.domain, params.quota)),
                  .thread = {}};
    if (const auto built = build(env, params, image, child); !built) {
        child.discard(kSpawnFailed);
        return fail(built.error());
    }
    return child;
}

}  // namespace cap
