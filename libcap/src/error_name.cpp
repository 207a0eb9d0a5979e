// SPDX-License-Identifier: MIT
#include "cap/result.hpp"

namespace cap {

// No default: the compiler says when abi/error.hpp has one more.
std::string_view error_name(abi::Error error) {
    using enum abi::Error;
    switch (error) {
        case kOk: return "Ok";
        case kBadSlot: return "BadSlot";
        case kStaleSlot: return "StaleSlot";
        case kWrongType: return "WrongType";
        case kNoRight: return "NoRight";
        case kBadOperation: return "BadOperation";
        case kBadCall: return "BadCall";
        case kBadArgument: return "BadArgument";
        case kBadAddress: return "BadAddress";
        case kMisaligned: return "Misaligned";
        case kOverlap: return "Overlap";
        case kWriteExecute: return "WriteExecute";
        case kStaleRef: return "StaleRef";
        case kNoMemory: return "NoMemory";
        case kNoSlot: return "NoSlot";
        case kBusy: return "Busy";
        case kWrongState: return "WrongState";
        case kTimedOut: return "TimedOut";
        case kGone: return "Gone";
        case kQueueFull: return "QueueFull";
        case kStaleSequence: return "StaleSequence";
        case kNotRunnable: return "NotRunnable";
        case kCpuNotYours: return "CpuNotYours";
        case kAffinity: return "Affinity";
        case kRunningElsewhere: return "RunningElsewhere";
        case kNotAttached: return "NotAttached";
        case kNotInDomain: return "NotInDomain";
        case kCancelled: return "Cancelled";
        case kValueChanged: return "ValueChanged";
        case kNoCaller: return "NoCaller";
    }
    return "?";
}

}  // namespace cap
