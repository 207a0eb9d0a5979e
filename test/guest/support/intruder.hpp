// SPDX-License-Identifier: MIT
//
// Threads where they must not be: on a CPU that is not their domain's.
#pragma once

#include "support/domain_server.hpp"
#include "support/load.hpp"

namespace test {

// Whether some thread of the server's domain is seen to run on a CPU whose line says, before and after, that it is not that domain's.
inline bool intruder(Case& t, const DomainServer& server, Load& load) {
    for (const Worker& worker : load.crew().workers()) {
        const std::uint32_t cpu = worker.word().cpu();
        const Line before = server.cpu_line(cpu);
        const abi::ThreadWord word = worker.word();
        const Line after = server.cpu_line(cpu);
        if (before.word == after.word && before.domain == after.domain && before.domain != server.number() &&
            word.state() == abi::ThreadState::kRunning && word.cpu() == cpu) {
            t.fail("thread {} runs on cpu {}, which was taken", worker.ref.index, cpu);
            return true;
        }
    }
    return false;
}

}  // namespace test
