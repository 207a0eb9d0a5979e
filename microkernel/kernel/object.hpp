// SPDX-License-Identifier: MIT
// Kernel objects and the references to them. An object lives as long as a RefPtr to it does; what a capability names
// is held by one. Borrowed access is T&.
#pragma once
#include <atomic>
#include <cstdint>
#include <utility>

#include "abi/types.hpp"
#include "core/assert.hpp"
#include "kernel/completion.hpp"

namespace cox {

class Quota;
class Thread;

class Object {
public:
    explicit Object(abi::ObjectType type) : type_(type) {}
    // Not yet to be found: an object in memory where others look for one, until publish().
    struct Unborn {};
    Object(abi::ObjectType type, Unborn) : references_(0), type_(type) {}
    void publish(std::uint32_t references) {
        references_.store(references, std::memory_order_release);  // pairs with retain_if_alive
    }
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;

    abi::ObjectType type() const { return type_; }

    // The quota that its piece of the heap is charged to; of what lies in the heap alone.
    Quota& payer() const { return *payer_; }
    void charged_to(Quota& payer) { payer_ = &payer; }

    // kCancel: takes out the caller's operation in flight that this object keeps. None: there is none such (any more).
    virtual PendingOp withdraw(Thread& caller, std::uint64_t user_data) {
        static_cast<void>(caller), static_cast<void>(user_data);
        return {};
    }

    // A capability to it was emptied: revoked, dropped or moved. No lock is held; there is still a reference.
    virtual void capability_emptied() {}

    // A slot by which the table of its own process names it for reading and writing; 0: none is known (cap_table.hpp).
    std::atomic<std::uint64_t> known_slot{0};

    void retain(std::uint32_t count = 1) { references_.fetch_add(count, std::memory_order_relaxed); }

    // For those who hold no reference but know that the memory is an Object's for ever (thread_table.hpp).
    bool retain_if_alive() {
        std::uint32_t count = references_.load(std::memory_order_relaxed);
        do {
            if (count == 0) return false;
        } while (!references_.compare_exchange_weak(count, count + 1, std::memory_order_acquire));
        return true;
    }

    void release() {
        if (drop()) destroy();
    }
    void release(std::uint32_t count) {
        if (references_.fetch_sub(count, std::memory_order_acq_rel) == count) destroy();
    }
    // In two steps. True: it was the last reference, and destroy_dropped() is to follow.
    [[nodiscard]] bool drop() {
        // acq_rel: the last one sees what all the others did with the object
        return references_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    }
    void destroy_dropped() { destroy(); }

protected:
    ~Object() = default;
    virtual void destroy() = 0;  // nobody refers to it any more

private:
    std::atomic<std::uint32_t> references_{1};
    abi::ObjectType type_;
    Quota* payer_ = nullptr;
};

template <class T>
class RefPtr {
public:
    RefPtr() = default;
    explicit RefPtr(T& object) : object_(&object) { object.retain(); }
    RefPtr(const RefPtr& other) : object_(other.object_) {
        if (object_) object_->retain();
    }
    RefPtr(RefPtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    RefPtr& operator=(RefPtr other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~RefPtr() {
        if (object_) object_->release();
    }

    // Takes over a reference that somebody has counted already.
    static RefPtr adopt(T* object) {
        RefPtr r;
        r.object_ = object;
        return r;
    }
    // Gives the counted reference away.
    T* leak() { return std::exchange(object_, nullptr); }

    T* get() const { return object_; }
    T& operator*() const { return *object_; }
    T* operator->() const { return object_; }
    explicit operator bool() const { return object_ != nullptr; }

private:
    T* object_ = nullptr;
};

}  // namespace cox
