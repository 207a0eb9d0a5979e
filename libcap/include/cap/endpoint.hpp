// SPDX-License-Identifier: MIT
//
// Endpoints: calling a server and serving. docs/abi.md, "Endpoint".
//
//     cap::Message m = cap::message(7, 8);                    cap::Message m;
//     TRY(server.call(m));                                    TRY(endpoint.receive(m));
//     use(m.words[0]);                                        for (;;) {
//                                                                 m = cap::answer(m, m.words[0] + m.words[1]);
//                                                                 TRY(endpoint.reply_and_receive(m));
//                                                             }
#pragma once

#include "abi/message.hpp"
#include "cap/process.hpp"

#include <array>
#include <cstdint>

namespace cap {

// The size of what goes, then of what has come. With info.caps() the first words are slots: of one's own to give, with kGrant;
// then of one's own that were received (0: could not be given).
struct Message {
    abi::MessageInfo info;
    std::uint64_t badge = 0;  // of the capability by which it came
    std::array<std::uint64_t, abi::kMessageWords> words{};
};

template <std::convertible_to<std::uint64_t>... Words>
constexpr Message message(Words... words) {
    return {abi::message_info(sizeof...(Words)), 0, {static_cast<std::uint64_t>(words)...}};
}
// The answer to a message that was received.
template <std::convertible_to<std::uint64_t>... Words>
constexpr Message answer(const Message& to, Words... words) {
    Message m = message(words...);
    m.info = m.info.with_token(to.info.token());
    return m;
}
// The same, with capabilities before the words.
constexpr Message with_cap(Message m, abi::CapSlot slot) {
    for (std::uint32_t i = abi::kMessageWords - 1; i > 0; --i) {
        m.words[i] = m.words[i - 1];
    }
    m.words[0] = slot.raw();
    m.info.raw += 1 + 16;  // a word, which is a slot
    return m;
}

// One call with all words in registers, both ways.
inline CallResult message_call(abi::CapSlot slot, abi::Op op, abi::MessageInfo info,
                               std::array<std::uint64_t, abi::kMessageWords>& words) {
    auto rax = static_cast<std::uint64_t>(abi::Call::kCapCall);
    std::uint64_t rdx = info.raw;
    std::uint64_t rbx = words[3];
    register std::uint64_t r10 asm("r10") = words[0];
    register std::uint64_t r8 asm("r8") = words[1];
    register std::uint64_t r9 asm("r9") = words[2];
    register std::uint64_t r12 asm("r12") = words[4];
    register std::uint64_t r13 asm("r13") = words[5];
    register std::uint64_t r14 asm("r14") = words[6];
    register std::uint64_t r15 asm("r15") = words[7];
    asm volatile("syscall"
                 : "+a"(rax), "+d"(rdx), "+b"(rbx), "+r"(r10), "+r"(r8), "+r"(r9), "+r"(r12), "+r"(r13),
                   "+r"(r14), "+r"(r15)
                 : "D"(slot.raw()), "S"(static_cast<std::uint64_t>(op))
                 : "rcx", "r11", "memory");
    words = {r10, r8, r9, rbx, r12, r13, r14, r15};
    return {static_cast<std::int64_t>(rax), rdx};
}

class Endpoint : public Capability {
public:
    using Capability::Capability;
    [[nodiscard]] static Result<Endpoint> create(Process process) {
        const auto slot = TRY(to_result(cap_call(process.slot(), abi::Op::kCreateEndpoint).result));
        return Endpoint(abi::CapSlot::from_raw(slot));
    }

    // With a time-out a message has at most 7 words.
    [[nodiscard]] Result<void> call(Message& message, std::uint64_t timeout_ns = abi::kForever) const {
        return exchange(abi::Op::kCall, message.info, message, timeout_ns);
    }
    [[nodiscard]] Result<void> receive(Message& message, std::uint64_t timeout_ns = abi::kForever) const {
        return exchange(abi::Op::kReceive, {}, message, timeout_ns);
    }
    // To whom the message's token names; without one, to whom this thread has received last.
    [[nodiscard]] Result<void> reply(Message message) const {
        return to_nothing(message_call(slot(), abi::Op::kReply, message.info, message.words));
    }
    // Nobody is left to answer: no error.
    [[nodiscard]] Result<void> reply_and_receive(Message& message,
                                                 std::uint64_t timeout_ns = abi::kForever) const {
        return exchange(abi::Op::kReplyReceive, message.info, message, timeout_ns);
    }

private:
    static Result<void> to_nothing(CallResult called) {
        return called.result < 0 ? fail(static_cast<abi::Error>(called.result)) : Result<void>();
    }
    Result<void> exchange(abi::Op op, abi::MessageInfo info, Message& message,
                          std::uint64_t timeout_ns) const {
        info = info.with_room(abi::kMessageWords);
        if (timeout_ns != abi::kForever) {
            info = info.with_timeout();
            message.words[abi::kMessageWords - 1] = timeout_ns;
        }
        const CallResult called = message_call(slot(), op, info, message.words);
        if (called.result < 0) {
            return fail(static_cast<abi::Error>(called.result));
        }
        message.info.raw = static_cast<std::uint64_t>(called.result);
        message.badge = called.result2;
        return {};
    }
};

// Through the ring: the words of `entry` are in ring.message(place) before, and of what has come after, it has completed.
// -> a submission of `op` on the endpoint. result: MessageInfo, result2: the badge.
constexpr abi::Submission message_submission(abi::Op op, Endpoint endpoint, std::uint64_t user_data,
                                             abi::MessageInfo info, std::uint32_t place) {
    return submission(op, endpoint.slot(), user_data,
                      info.with_room(abi::kMessageWords).with_place(place).raw);
}

}  // namespace cap
