// SPDX-License-Identifier: MIT
// Who is told of page faults: of one thread's, or of all those of a process. Any CPU.
//
// A handler does not keep alive what it names: when the last capability to that has gone, there is no handler. But it keeps the
// memory, so that it can be asked at any time whether it is alive (Object::retain_if_alive) and is never another object.
#pragma once
#include <atomic>
#include <cstdint>

#include "kernel/object.hpp"
#include "kernel/spinlock.hpp"

namespace cox {

class Endpoint;

// A notification, or an endpoint.
class FaultTarget : public Object {
public:
    using Object::Object;

    void keep_memory() { kept_.fetch_add(1, std::memory_order_relaxed); }
    // Holding no lock.
    void drop_memory() {
        // acq_rel: the last one sees what all the others did with the object
        if (kept_.fetch_sub(1, std::memory_order_acq_rel) == 1) free_memory();
    }

protected:
    ~FaultTarget() = default;
    // What destroy() ends with: drop_memory(), for all references together. Then this, at once or later.
    virtual void free_memory() = 0;
    void keep_for_references() { kept_.store(1, std::memory_order_relaxed); }

private:
    std::atomic<std::uint32_t> kept_{1};
};

class FaultHandler {
public:
    FaultHandler() = default;
    ~FaultHandler() COX_UNCHECKED {  // nobody else knows it any more
        if (target_) target_->drop_memory();
    }
    FaultHandler(const FaultHandler&) = delete;
    FaultHandler& operator=(const FaultHandler&) = delete;

    // An endpoint and a badge, or a notification and bits; nullptr: none, as from the beginning.
    void set(FaultTarget* target, std::uint64_t value);
    // Whether there was one a moment ago, and whether it was an endpoint.
    bool is_set() const { return kind_.load(std::memory_order_relaxed) != Kind::kNone; }
    bool calls() const { return kind_.load(std::memory_order_relaxed) == Kind::kCalls; }

    struct Told {
        RefPtr<FaultTarget> target;  // none: there is no handler, or what it names has gone
        std::uint64_t value = 0;
    };
    Told told();
    // Its endpoint, with that one's lock (Endpoint::Quick); the value is its badge. One that has gone has no receiver. nullptr: none.
    Endpoint* lock_endpoint(std::uint64_t& badge);

protected:
    // The same, in place.
    [[gnu::always_inline]] Told told_now() COX_REQUIRES(lock_) {
        if (!target_ || !target_->retain_if_alive()) return {};
        return {RefPtr<FaultTarget>::adopt(target_), value_};
    }

    SpinLock lock_{LockRank::kFault};

private:
    enum class Kind : std::uint8_t { kNone, kSignals, kCalls };

    std::atomic<Kind> kind_{Kind::kNone};
    FaultTarget* target_ COX_GUARDED_BY(lock_) = nullptr;
    std::uint64_t value_ COX_GUARDED_BY(lock_) = 0;
};

}  // namespace cox
