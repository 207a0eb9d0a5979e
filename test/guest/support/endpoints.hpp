// SPDX-License-Identifier: MIT
//
// What the tests of endpoints share: an endpoint, and a server of the test's own process.
#pragma once

#include "cap/endpoint.hpp"
#include "cap/joining_thread.hpp"
#include "suite.hpp"
#include "support/owned.hpp"

namespace test {

inline constexpr std::uint64_t kStop = 0x5707;

inline cap::Result<Owned<cap::Endpoint>> create_endpoint(const Case& t) {
    return Owned<cap::Endpoint>(TRY(cap::Endpoint::create(t.env.process)));
}

// A server of this process that answers each word with its complement, and kStop with its end: -> how many it has served.
inline cap::Result<cap::JoiningThread> start_echo(const Case& t, cap::Endpoint endpoint) {
    return cap::JoiningThread::start(t.env, [endpoint]() -> std::uint64_t {
        cap::Message m;
        if (!endpoint.receive(m)) {
            return ~0ull;
        }
        for (std::uint64_t served = 1;; ++served) {
            const bool stop = m.info.words() == 1 && m.words[0] == kStop;
            for (auto& word : m.words) {
                word = ~word;
            }
            if (stop) {
                return endpoint.reply(m) ? served : ~0ull;
            }
            if (!endpoint.reply_and_receive(m)) {
                return ~0ull;
            }
        }
    });
}

}  // namespace test
