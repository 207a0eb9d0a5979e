// SPDX-License-Identifier: MIT
//
// MemoryImage: the input as physical memory from kBase on, for parsers that follow pointers. Each look at it gets a
// heap block of its own of exactly the length asked for, so that a read behind it is seen.
#pragma once

#include <cstdint>
#include <memory>

#include "fuzz.hpp"

namespace cox::fuzz {

class MemoryImage {
public:
    static constexpr std::uint64_t kBase = 0x1000;

    explicit MemoryImage(Bytes bytes) : bytes_(bytes) {}

    Bytes operator()(std::uint64_t address, std::uint64_t length) const {
        const auto part = address >= kBase ? core::sub_bytes(bytes_, address - kBase, length) : std::nullopt;
        if (!part) {
            return {};
        }
        blocks_.push_back(std::make_unique<ByteVector>(part->begin(), part->end()));
        return *blocks_.back();
    }

private:
    Bytes bytes_;
    mutable std::vector<std::unique_ptr<ByteVector>> blocks_;
};

}  // namespace cox::fuzz
