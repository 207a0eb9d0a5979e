// SPDX-License-Identifier: MIT
//
// A process that does to the kernel what it should not: random system calls with random registers, and random entries
// in its ring, from the main thread and from others that it happens to make. Argument: seed=. What it has done, and
// whether the kernel kept its word, it counts in the HostilePage that it is given as "page".
#include "abi/message.hpp"
#include "cap/env.hpp"
#include "core/command_line.hpp"
#include "support/hostile_mind.hpp"
#include "support/hostile_page.hpp"
#include "support/raw_call.hpp"

namespace test {

namespace {

namespace abi = cox::abi;

HostilePage* page;
const cap::Env* program;

class Hostile {
public:
    // `ring`: 0, or where the calling thread's ring is.
    Hostile(std::uint64_t seed, std::uint64_t ring, std::uint64_t side_entry)
        : mind_(*program, seed, side_entry), ring_(ring) {}

    void act() {
        if (ring_ != 0 && mind_.random().one_in(32)) {
            submit();
        } else if (mind_.random().one_in(12)) {
            odd_call();
        } else {
            const Operation operation = mind_.think(true);
            mind_.learn(operation, call(0, operation.slot, operation.op, operation.args));
        }
        if (const std::uint64_t slot = mind_.surplus()) {
            (void)call(0, slot, static_cast<std::uint64_t>(abi::Op::kDrop), {});
        }
    }

private:
    struct Wait {
        std::uint64_t completions, timeout_ns;
    };

    // All that matters to the call as told, everything else random.
    std::int64_t call(std::uint64_t number, std::uint64_t rdi, std::uint64_t rsi,
                      const std::array<std::uint64_t, 4>& rest) {
        Random& random = mind_.random();
        RawCall before{};
        auto* words = reinterpret_cast<std::uint64_t*>(&before);
        for (std::size_t i = 0; i < sizeof before / sizeof *words; ++i) {
            words[i] = random.one_in(2) ? random.next() : mind_.value();
        }
        before.rflags = RawCall::kPlain | (random.next() & (RawCall::kUserFlags | RawCall::kPrivilegeLevel));
        before.rax = number;
        before.rdi = rdi;
        before.rsi = rsi;
        before.rdx = rest[0];
        before.r10 = rest[1];
        before.r8 = rest[2];
        before.r9 = rest[3];
        // An endpoint's operations take a time-out there, and give words in registers.
        const bool at_endpoint =
            number == 0 && rsi >> 8 == static_cast<std::uint64_t>(abi::ObjectType::kEndpoint);
        if (at_endpoint) {
            before.r15 = random.below(200'000);
        }
        RawCall after = before;
        raw_call(&after);
        page->calls.fetch_add(1, std::memory_order_relaxed);
        const auto result = static_cast<std::int64_t>(after.rax);
        if (!before.keeps(after) && !(at_endpoint && result >= 0)) {
            note(page->registers_changed, number, result);
        }
        if (result < static_cast<std::int64_t>(abi::kLastError)) {
            note(page->unknown_results, number, result);
        }
        if (at_endpoint && brings_message(rsi) && result >= 0) {
            take_message(result, {after.r10, after.r8});
        }
        return result;
    }

    static bool brings_message(std::uint64_t op) {
        using enum abi::Op;
        const auto operation = static_cast<abi::Op>(op);
        return operation == kCall || operation == kReceive || operation == kReplyReceive;
    }
    void take_message(std::int64_t result, const std::array<std::uint64_t, abi::kMessageCaps>& words) {
        const abi::MessageInfo info{static_cast<std::uint64_t>(result)};
        page->messages.fetch_add(1, std::memory_order_relaxed);
        for (std::uint32_t i = 0; i < info.caps() && i < words.size(); ++i) {
            ++(words[i] != 0 && mind_.take_gift(words[i]) ? page->gifts : page->no_gifts);
        }
    }

    static void note(std::atomic<std::uint64_t>& counter, std::uint64_t number, std::int64_t result) {
        counter.fetch_add(1);
        page->example = number << 32 | static_cast<std::uint32_t>(result);
    }

    // Seldom for ever: the test has to end it then.
    Wait some_wait() {
        Random& random = mind_.random();
        const std::uint64_t completions = random.one_in(4) ? mind_.value() : random.below(3);
        if (random.one_in(2)) {
            return {completions, 0};
        }
        return {completions, random.one_in(4000) ? mind_.value() : random.below(60'000)};
    }

    // cap_enter, or a call that does not exist; hardly ever thread_exit.
    void odd_call() {
        Random& random = mind_.random();
        const std::array<std::uint64_t, 4> rest = {mind_.value(), mind_.value(), mind_.value(),
                                                   mind_.value()};
        std::uint64_t number = random.one_in(2) ? mind_.value() : random.next();
        if (number == 2 && !random.one_in(200)) {
            number = 3;
        }
        if (number == 0 || number == 1 || random.one_in(2)) {
            const Wait wait = some_wait();
            (void)call(1, wait.completions, wait.timeout_ns, rest);
        } else {
            (void)call(number, mind_.value(), mind_.value(), rest);
        }
    }

    // Where the words of an endpoint's operation stand in the ring.
    [[nodiscard]] abi::RingMessage* message_of(const Operation& operation) const {
        const std::uint32_t place = abi::MessageInfo{operation.args[0]}.place();
        if (operation.op >> 8 != static_cast<std::uint64_t>(abi::ObjectType::kEndpoint) ||
            place >= abi::kRingMessages) {
            return nullptr;
        }
        return reinterpret_cast<abi::RingMessage*>(ring_ + sizeof(abi::RingHeader)) + place;
    }

    void submit() {
        Random& random = mind_.random();
        auto& header = *reinterpret_cast<abi::RingHeader*>(ring_);
        auto* const entries = reinterpret_cast<abi::Submission*>(ring_ + abi::kPageSize);
        const std::uint32_t head = header.sq_head.load();
        const auto count = static_cast<std::uint32_t>(random.below(abi::kSqEntries + 1));
        for (std::uint32_t i = 0; i < count; ++i) {
            done_[i] = mind_.think(false);
            abi::Submission& entry = entries[(head + i) % abi::kSqEntries];
            entry = {static_cast<abi::Op>(done_[i].op), 0, 0, done_[i].slot, i, {}};
            std::copy(done_[i].args.begin(), done_[i].args.end(), entry.args);
            if (abi::RingMessage* const message = message_of(done_[i])) {
                std::copy(done_[i].args.begin() + 1, done_[i].args.end(), message->words);
            }
            if (random.one_in(16)) {
                entry.flags = static_cast<std::uint16_t>(random.next() >> random.below(64));
                entry.reserved = static_cast<std::uint32_t>(random.one_in(2) ? random.next() : 0);
            }
        }
        const std::uint32_t first = header.cq_tail.load();
        header.sq_tail.store(random.one_in(64) ? static_cast<std::uint32_t>(random.next()) : head + count);
        if (random.one_in(64)) {
            header.cq_head.store(static_cast<std::uint32_t>(random.next()));
        }
        const Wait wait = some_wait();
        (void)call(1, wait.completions, wait.timeout_ns, {});
        page->submissions.fetch_add(header.sq_head.load() - head, std::memory_order_relaxed);
        take(header, first);
    }

    void take(abi::RingHeader& header, std::uint32_t first) {
        const auto* const completions = reinterpret_cast<const abi::Completion*>(ring_ + 2 * abi::kPageSize);
        const std::uint32_t end = header.cq_tail.load();
        for (std::uint32_t i = first; i != end && end - first <= abi::kCqEntries; ++i) {
            const abi::Completion& each = completions[i % abi::kCqEntries];
            if (each.user_data < done_.size()) {
                const Operation& done = done_[each.user_data];
                mind_.learn(done, each.result);
                if (const abi::RingMessage* const message = message_of(done);
                    message && brings_message(done.op) && each.result >= 0) {
                    take_message(each.result, {message->words[0], message->words[1]});
                }
                if (const std::uint64_t slot = mind_.surplus()) {
                    (void)call(0, slot, static_cast<std::uint64_t>(abi::Op::kDrop), {});
                }
            }
        }
        header.cq_head.store(end);
        header.sq_tail.store(header.sq_head.load());
    }

    HostileMind mind_;
    std::uint64_t ring_;
    std::array<Operation, abi::kSqEntries> done_{};
};

constexpr std::uint64_t kSideCalls = 500;

// First function of a thread that HostileMind made; its ring may have been unmapped, so it leaves that alone.
[[noreturn]] void side(std::uint64_t seed) {
    Hostile hostile(seed, 0, 0x10'0000);
    for (std::uint64_t i = 0; i < kSideCalls; ++i) {
        hostile.act();
    }
    cap::thread_exit(0);
}

}  // namespace

}  // namespace test

int cap_main(const cap::Env& env) {
    using namespace test;
    const auto memory = env.find<cap::Memory>("page");
    const auto address = env.space.reserve(1);
    if (!memory || !address || !env.process.map(*memory, *address, 0, 1, abi::kRead | abi::kWrite)) {
        return 1;
    }
    memory->drop();  // the counters are not for the kernel to write to
    program = &env;
    page = reinterpret_cast<HostilePage*>(*address);
    const auto seed =
        cox::core::parse_u64(cox::core::CommandLine(env.arguments()).find("seed").value_or("1"));
    static Hostile hostile(seed.value_or(1), env.info.ring_address, reinterpret_cast<std::uint64_t>(&side));
    for (;;) {
        hostile.act();
    }
}
