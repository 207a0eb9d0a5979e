// SPDX-License-Identifier: MIT
// kMap and kUnmap as calls on the caller's own process: which its thread holds, so that no reference to it is taken and its
// space needs no hold. Whatever is not that, or is refused before there is anything to map, goes the common way.
#include "kernel/calls.hpp"
#include "kernel/memory_object.hpp"
#include "kernel/process.hpp"

namespace cox {

namespace {

CallResult result_of(const core::Result<void>& done) {
    return done ? CallResult{0, 0} : failed(done.error());
}

bool names_own_process(std::uint64_t slot, const Process& process) {
    return process.caps.names(abi::CapSlot::from_raw(slot), process, abi::kManage);
}

}  // namespace

CallResult call_map(std::uint64_t slot, std::uint64_t op, std::uint64_t memory, std::uint64_t address,
                    std::uint64_t first_page, std::uint64_t map_word) {
    Process& process = *current_thread().process;
    if (!is(op, abi::Op::kMap) || !names_own_process(slot, process)) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, memory, address, first_page, map_word);
    const auto access = static_cast<abi::Rights>(map_word & 0xff);
    abi::Rights allowed;
    MemoryObject* const object = process.caps.hold<MemoryObject>(
        abi::CapSlot::from_raw(memory), access & (abi::kRead | abi::kWrite | abi::kExecute), allowed);
    if (!object) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, memory, address, first_page, map_word);
    const auto result =
        result_of(process.space().map(*object, first_page, address, map_word >> 8, access, allowed));
    object->release();
    return result;
}

CallResult call_unmap(std::uint64_t slot, std::uint64_t op, std::uint64_t address, std::uint64_t pages,
                      std::uint64_t a2, std::uint64_t a3) {
    Process& process = *current_thread().process;
    if (!is(op, abi::Op::kUnmap) || !names_own_process(slot, process)) [[unlikely]]
        [[clang::musttail]] return call_any(slot, op, address, pages, a2, a3);
    return result_of(process.space().unmap(address, pages));
}

}  // namespace cox
