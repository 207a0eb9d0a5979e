// SPDX-License-Identifier: MIT
#include "kernel/loader.hpp"

#include <algorithm>
#include <cstring>

#include "abi/start_info.hpp"
#include "arch/paging.hpp"
#include "arch/timer.hpp"
#include "core/cpio.hpp"
#include "core/elf.hpp"
#include "kernel/cpu.hpp"
#include "kernel/log.hpp"
#include "kernel/machine.hpp"
#include "kernel/panic.hpp"
#include "kernel/process.hpp"
#include "kernel/quota.hpp"
#include "kernel/sched_domain.hpp"
#include "kernel/wake.hpp"

namespace cox {

namespace {

// The root task's address space; its program's segments lie below.
constexpr std::uint64_t kStartInfo = 0x7000'0000, kRing = 0x7001'0000, kStackTop = 0x7f00'0000,
                        kStackPages = 16, kArchive = 0x8000'0000, kFree = 0x1'0000'0000;

template <class T, class E>
T must(std::expected<T, E> result, std::string_view what) {
    if (!result) panic(format("root task: {}: error {}", what, static_cast<int>(result.error())).text());
    if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// Maps in pieces that one call takes.
void map_all(Process& process, MemoryObject& memory, std::uint64_t address, abi::Rights access) {
    for (std::uint64_t done = 0; done < memory.pages();) {
        const auto step = std::min(memory.pages() - done, abi::kMaxPagesPerCall);
        must(process.space().map(memory, done, address + done * abi::kPageSize, step, access, access), "map");
        done += step;
    }
}

RefPtr<MemoryObject> new_memory(std::uint64_t pages) {
    return must(MemoryObject::create(root_quota, pages), "memory");
}

void load_segment(Process& process, const core::ElfSegment& segment) {
    const auto memory = new_memory((segment.end_page() - segment.first_page()) / abi::kPageSize);
    const auto offset = segment.address - segment.first_page();
    for (std::uint64_t done = 0; done < segment.file.size();) {
        const auto at = offset + done;
        const auto step =
            std::min<std::uint64_t>(segment.file.size() - done, abi::kPageSize - at % abi::kPageSize);
        std::memcpy(
            arch::physical_to_virtual<std::byte>(memory->frame(at / abi::kPageSize)) + at % abi::kPageSize,
            segment.file.data() + done, step);
        done += step;
    }
    const abi::Rights access =
        abi::kRead | (segment.writable ? abi::kWrite : 0) | (segment.executable ? abi::kExecute : 0);
    map_all(process, *memory, segment.first_page(), access);
}

class StartPage {
public:
    explicit StartPage(Process& process) : process_(process), memory_(new_memory(1)) {
        info_ = arch::physical_to_virtual<abi::StartInfo>(memory_->frame(0));
        info_->magic = abi::kStartMagic;
        info_->abi_version = abi::kAbiVersion;
        info_->ring_address = kRing;
        info_->tsc_hz = arch::clock.tsc_hz;
        info_->cpu_count = online_cpus().size();
        info_->free_address = kFree;
    }

    void give(std::string_view name, Object& object, abi::Rights rights) {
        auto& cap = info_->caps[info_->cap_count++];
        name.copy(cap.name, sizeof cap.name - 1);
        cap.slot = must(process_.caps.add({RefPtr<Object>(object), rights}), "capability").raw();
    }

    void set_archive(std::uint64_t address, std::uint64_t size) {
        info_->archive_address = address;
        info_->archive_size = size;
    }
    void set_arguments(std::string_view text) { text.copy(info_->arguments, sizeof info_->arguments - 1); }
    void map() { map_all(process_, *memory_, kStartInfo, abi::kRead); }

private:
    Process& process_;
    RefPtr<MemoryObject> memory_;
    abi::StartInfo* info_;
};

}  // namespace

void start_root_task(const core::BootModule& module, std::string_view program,
                     std::string_view command_line) {
    const core::Bytes bytes(arch::physical_to_virtual<const std::byte>(module.base), module.size);
    const auto archive = must(core::CpioArchive::open(bytes), "archive");
    const auto file = archive.find(program);
    if (!file) panic(format("root task: no {} in the archive", program).text());
    const auto image = must(core::parse_elf(*file, {abi::kUserBottom, kStartInfo}), "program");

    auto process = must(Process::create(root_quota, nullptr, program), "process");
    for (const auto& segment : image.segments()) load_segment(*process, segment);
    const auto stack = new_memory(kStackPages);
    map_all(*process, *stack, kStackTop - kStackPages * abi::kPageSize, abi::kRead | abi::kWrite);
    abi::ThreadParams params{};
    params.entry = image.entry;
    params.stack = kStackTop;
    params.argument = kStartInfo;
    params.ring_address = kRing;
    params.fs_base = kStackTop - abi::kTcbSize;
    const auto thread = must(process->create_thread(process->space(), params), "thread");
    const auto pages = (module.size + abi::kPageSize - 1) / abi::kPageSize;
    adopt_frames(module.base, pages);
    const auto archive_memory = must(MemoryObject::view(root_quota, module.base, pages), "archive memory");
    map_all(*process, *archive_memory, kArchive, abi::kRead);

    StartPage start(*process);
    start.set_archive(kArchive, module.size);
    start.set_arguments(command_line);
    start.give("process", *process, abi::kAllRights);
    start.give("thread", *thread, abi::kAllRights);
    start.give("log", the_log, abi::kAllRights);
    start.give("domain", root_domain, abi::kAllRights);
    start.give("machine", the_machine, abi::kAllRights);
    start.give("archive", *archive_memory, abi::kRead | abi::kGrant);
    start.map();
    const bool started = start_thread(*thread);
    COX_ASSERT(started);
}

}  // namespace cox
