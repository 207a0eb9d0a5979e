// SPDX-License-Identifier: MIT
//
// CommitRequest: one commit that the dispatcher wants made, and CommitBatch: those of one activation of an
// agent. The agent turns each into a submission (kCommit); commit_tag() is its user_data, by which a refusal
// finds its way back.
#pragma once

#include "abi/sched.hpp"
#include "abi/types.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace sched {

namespace abi = cox::abi;

// user_data of a commit: bits 0..31 expected sequence, 32..47 line, 48..55 CPU, 56 it was a recall, 62 it is
// a commit.
struct CommitTag {
    static constexpr std::uint64_t kRecallBit = std::uint64_t{1} << 56;
    static constexpr std::uint64_t kCommitBit = std::uint64_t{1} << 62;

    std::uint32_t sequence = 0;
    std::uint32_t line = 0;
    std::uint32_t cpu = 0;
    bool recall = false;

    [[nodiscard]] constexpr std::uint64_t raw() const {
        return sequence | std::uint64_t{line} << 32 | std::uint64_t{cpu} << 48 | (recall ? kRecallBit : 0) |
               kCommitBit;
    }
    [[nodiscard]] static constexpr CommitTag from_raw(std::uint64_t raw) {
        return {static_cast<std::uint32_t>(raw), static_cast<std::uint32_t>(raw >> 32 & 0xffff),
                static_cast<std::uint32_t>(raw >> 48 & 0xff), (raw & kRecallBit) != 0};
    }
    [[nodiscard]] static constexpr bool is_commit(std::uint64_t raw) { return (raw & kCommitBit) != 0; }
};
static_assert(abi::kMaxThreads <= 0x10000);

struct CommitRequest {
    abi::ThreadRef ref;
    std::uint32_t sequence = 0;
    std::uint32_t cpu = 0;
    std::uint32_t flags = 0;
    std::uint64_t slice_ns = abi::kNoSlice;

    [[nodiscard]] bool recall() const { return (flags & abi::kCommitRecall) != 0; }
    [[nodiscard]] std::uint64_t word() const { return abi::commit_word(sequence, cpu, flags); }
    [[nodiscard]] CommitTag tag() const { return {sequence, ref.index, cpu, recall()}; }
};

// Fits into an empty submission queue, with room for the wait.
class CommitBatch {
public:
    static constexpr std::size_t kCapacity = 48;

    [[nodiscard]] bool full() const { return size_ == kCapacity; }
    [[nodiscard]] std::size_t room() const { return kCapacity - size_; }
    void push(const CommitRequest& request) { requests_[size_++] = request; }
    void clear() { size_ = 0; }
    // The commit (not the recall) of that thread in this batch, or nullptr.
    [[nodiscard]] CommitRequest* find(abi::ThreadRef ref) {
        for (CommitRequest& request : std::span(requests_).first(size_)) {
            if (request.ref == ref && !request.recall()) {
                return &request;
            }
        }
        return nullptr;
    }
    [[nodiscard]] std::span<const CommitRequest> requests() const {
        return std::span(requests_).first(size_);
    }

private:
    std::array<CommitRequest, kCapacity> requests_;
    std::size_t size_ = 0;
};

}  // namespace sched
