// SPDX-License-Identifier: MIT
// Messages: what kCall, kReceive, kReply and kReplyReceive carry. docs/abi.md, "Endpoint", is the specification.
//
// A message is up to kMessageWords words; the first of them may be slots of the sender's, which become slots of the
// receiver's. Its size, and what else is to be said, is a MessageInfo.
//
//   by cap_call   words in R10 R8 R9 RBX R12 R13 R14 R15, both ways
//   by the ring   words in the place `place` of the ring's first page, both ways: RingMessage (abi/ring.hpp)
#pragma once
#include <cstdint>

namespace cox::abi {

inline constexpr std::uint32_t kMessageWords = 8;
inline constexpr std::uint32_t kMessageCaps = 2;

// bits 0..3 words, 4..5 how many of them, from the first on, are slots, 6 these are moved, not copied,
// 7 there is a time-out, in the last word's place (so at most 7 words); 8..11 room: how many words may come back (of both more than 8 counts as 8);
// 12..17 place in the ring; 18..62 token: whom a reply is for.
// What comes has words, slots and token; the rest is 0.
struct MessageInfo {
    std::uint64_t raw = 0;

    static constexpr unsigned kRoomShift = 8, kPlaceShift = 12, kTokenShift = 18;
    static constexpr std::uint64_t kSizeMask = 0x3f, kTokenMask = (std::uint64_t{1} << 45) - 1;

    constexpr std::uint32_t words() const { return (raw & 15) < kMessageWords ? raw & 15 : kMessageWords; }
    constexpr std::uint32_t caps() const { return raw >> 4 & 3; }
    constexpr bool moved() const { return raw >> 6 & 1; }
    constexpr bool timed() const { return raw >> 7 & 1; }
    constexpr std::uint32_t room() const {
        return (raw >> kRoomShift & 15) < kMessageWords ? raw >> kRoomShift & 15 : kMessageWords;
    }
    constexpr std::uint32_t place() const { return raw >> kPlaceShift & 63; }
    constexpr std::uint64_t token() const { return raw >> kTokenShift & kTokenMask; }

    constexpr MessageInfo with_room(std::uint32_t words) const {
        return {(raw & ~(std::uint64_t{15} << kRoomShift)) | std::uint64_t{words} << kRoomShift};
    }
    constexpr MessageInfo with_place(std::uint32_t place) const {
        return {(raw & ~(std::uint64_t{63} << kPlaceShift)) | std::uint64_t{place} << kPlaceShift};
    }
    constexpr MessageInfo with_token(std::uint64_t token) const {
        return {(raw & ((std::uint64_t{1} << kTokenShift) - 1)) | token << kTokenShift};
    }
    constexpr MessageInfo with_timeout() const { return {raw | 1 << 7}; }
    constexpr MessageInfo moving() const { return {raw | 1 << 6}; }
    friend constexpr bool operator==(MessageInfo, MessageInfo) = default;
};

constexpr MessageInfo message_info(std::uint32_t words, std::uint32_t caps = 0) {
    return {std::uint64_t{words} | std::uint64_t{caps} << 4};
}

}  // namespace cox::abi
