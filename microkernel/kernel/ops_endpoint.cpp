// SPDX-License-Identifier: MIT
// By cap_call the words are in registers, which are in the thread's frame only when that is complete: then call_endpoint does it.
// Through the ring it is done here.
#include <algorithm>

#include "kernel/calls.hpp"
#include "kernel/endpoint.hpp"
#include "kernel/process.hpp"
#include "kernel/thread.hpp"

namespace cox {

using abi::Error;
using abi::MessageInfo;
using abi::Op;

namespace {

bool replies(Op op) { return op == Op::kReply || op == Op::kReplyReceive; }

core::Result<void> check_info(const Invocation& call, MessageInfo info) {
    const bool by_ring = call.pending;
    const bool good = info.raw >> 63 == 0 && info.words() + info.timed() <= abi::kMessageWords &&
                      info.caps() <= std::min(abi::kMessageCaps, info.words()) &&
                      info.place() < (by_ring ? abi::kRingMessages : 1) &&
                      !(info.timed() && (by_ring || call.op == Op::kReply)) &&
                      !(info.token() && !replies(call.op)) && !(info.words() && call.op == Op::kReceive) &&
                      !(by_ring && call.op == Op::kReply && info.token() == 0);
    if (!good) return core::fail(Error::kBadArgument);
    return {};
}

// What the message names may be given. Looked at again when it is: it may have gone by then.
core::Result<void> check_caps(const Invocation& call, MessageInfo info) {
    const auto* const words = call.pending ? call.caller.ring.message(info.place()) : &call.args[1];
    for (std::uint32_t i = 0; i < info.caps(); ++i) {
        const auto cap = TRY(call.caller.process->caps.look_up(abi::CapSlot::from_raw(words[i])));
        if (!(cap.rights & abi::kGrant)) return core::fail(Error::kNoRight);
    }
    return {};
}

core::Result<Reply> leave_to_call(const Invocation& call, const Cap& cap, MessageInfo info) {
    Ipc& ipc = call.caller.ipc;
    // It has room for one: whom it owes a reply by cap_call, unless this is the reply.
    const bool keeps_caller = call.op == Op::kReceive || (call.op == Op::kReplyReceive && info.token());
    if (keeps_caller && ipc.made && ipc.receive.caller.load()) return core::fail(Error::kBusy);
    ipc.endpoint = cap.object;
    ipc.op = call.op;
    ipc.info = info;
    ipc.badge = call.op == Op::kCall ? cap.badge : 0;
    leave_to_do(kAtEndpoint);
    return Reply{};
}

void fill(IpcSlot& slot, const Invocation& call, Endpoint& endpoint, MessageInfo info, std::uint64_t badge) {
    slot.receives = call.op != Op::kCall;
    slot.row = call.caller.ring.message(info.place());
    slot.deadline = kNever;
    slot.endpoint = &endpoint;
    slot.op = *call.pending;
    slot.info = info;
    slot.badge = badge;
    slot.plain = slot.op.linked() ? nullptr : &call.caller;
}

// A poller may work for a thread that has gone meanwhile, and has looked at its slots already (forget_ipc).
void forget_if_gone(IpcSlot& slot) {
    if (slot.thread->word().load().state() == abi::ThreadState::kGone) forget(slot);
}

core::Result<Reply> receive_by_ring(const Invocation& call, Endpoint& endpoint, MessageInfo info,
                                    IpcSlot& slot) {
    fill(slot, call, endpoint, info, 0);
    const bool come = endpoint.receive(slot);
    // What comes later may have completed, and been answered, by now.
    const Reply reply =
        come ? Reply{static_cast<std::int64_t>(slot.token_info().raw), slot.badge} : Reply{0, 0, true};
    forget_if_gone(slot);
    return reply;
}

core::Result<Reply> by_ring(const Invocation& call, Endpoint& endpoint, MessageInfo info,
                            std::uint64_t badge) {
    Thread& thread = call.caller;
    IpcSlot* answered = nullptr;
    std::int64_t result = 0;
    if (replies(call.op) && info.token()) {
        answered = take_token(thread, info);
        result = answered ? reply(*answered, info, MessageWords::in_row(thread.ring.message(info.place())))
                          : static_cast<std::int64_t>(Error::kNoCaller);
    }
    if (call.op == Op::kReply) {
        if (answered) thread.ipc.free(*answered);
        return to_reply(result);
    }
    IpcSlot& slot = answered ? *answered : *TRY(thread.ipc.allocate(thread));
    if (call.op != Op::kCall) return receive_by_ring(call, endpoint, info, slot);
    fill(slot, call, endpoint, info, badge);
    endpoint.send(slot);
    forget_if_gone(slot);
    return Reply{0, 0, true};
}

}  // namespace

core::Result<Reply> invoke_endpoint(const Invocation& call, const Cap& cap) {
    const auto endpoint = TRY(as<Endpoint>(cap, call.op == Op::kCall ? abi::kWrite : abi::kRead));
    switch (call.op) {
        case Op::kCall:
        case Op::kReceive:
        case Op::kReply:
        case Op::kReplyReceive: break;
        default: return core::fail(Error::kBadOperation);
    }
    const MessageInfo info{call.args[0]};
    TRY(check_info(call, info));
    TRY(check_caps(call, info));
    return call.pending ? by_ring(call, *endpoint, info, cap.badge) : leave_to_call(call, cap, info);
}

}  // namespace cox
