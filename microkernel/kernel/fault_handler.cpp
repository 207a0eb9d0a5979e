// SPDX-License-Identifier: MIT
#include "kernel/fault_handler.hpp"

#include "kernel/endpoint.hpp"

namespace cox {

void FaultHandler::set(FaultTarget* target, std::uint64_t value) {
    if (target) target->keep_memory();
    FaultTarget* before;
    {
        SpinGuard guard(lock_);
        kind_.store(!target                             ? Kind::kNone
                    : target->type() == Endpoint::kType ? Kind::kCalls
                                                        : Kind::kSignals,
                    std::memory_order_relaxed);
        before = std::exchange(target_, target);
        value_ = value;
    }
    if (before) before->drop_memory();
}

FaultHandler::Told FaultHandler::told() {
    SpinGuard guard(lock_);
    return told_now();
}

Endpoint* FaultHandler::lock_endpoint(std::uint64_t& badge) {
    SpinGuard guard(lock_);
    if (kind_.load(std::memory_order_relaxed) != Kind::kCalls) return nullptr;
    badge = value_;
    auto* const endpoint = static_cast<Endpoint*>(target_);
    Endpoint::Quick(*endpoint).lock();
    return endpoint;
}

}  // namespace cox
