// SPDX-License-Identifier: MIT
//
// Physical memory of a test: blocks at chosen addresses, nothing readable in between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace cox::test {

class FakeMemory {
public:
    std::vector<std::byte>& put(std::uint64_t address, std::vector<std::byte> bytes) {
        return blocks_[address] = std::move(bytes);
    }
    void remove(std::uint64_t address) { blocks_.erase(address); }
    [[nodiscard]] std::map<std::uint64_t, std::vector<std::byte>>& blocks() { return blocks_; }

    // As PhysView wants it: all of it in one block, or nothing.
    std::span<const std::byte> operator()(std::uint64_t address, std::uint64_t length) const {
        auto block = blocks_.upper_bound(address);
        if (block == blocks_.begin()) {
            return {};
        }
        --block;
        const std::uint64_t offset = address - block->first;
        const std::uint64_t size = block->second.size();
        if (offset > size || length > size - offset) {
            return {};
        }
        return std::span(block->second).subspan(offset, length);
    }

private:
    std::map<std::uint64_t, std::vector<std::byte>> blocks_;
};

}  // namespace cox::test
