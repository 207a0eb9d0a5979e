// SPDX-License-Identifier: MIT
// Errors that a call or ring operation can return. A call returns a signed 64-bit value: zero or more
// is a result, a negative one is an Error. docs/abi.md says which call returns which and why.
#pragma once
#include <cstdint>

namespace cox::abi {

enum class Error : std::int64_t {
    kOk = 0,
    // The capability named by the caller.
    kBadSlot = -1,       // index out of range, or the slot is empty
    kStaleSlot = -2,     // the slot was reused since this reference was made
    kWrongType = -3,     // the object is of another type than the operation needs
    kNoRight = -4,       // the capability lacks a right that the operation needs
    kBadOperation = -5,  // no such operation on this type of object, or not through this door
    kBadCall = -6,       // no such system call
    // Its arguments.
    kBadArgument = -7,    // a number out of its documented range, or a reserved bit set
    kBadAddress = -8,     // a user address that is not canonical, not mapped, or lacks the access needed
    kMisaligned = -9,     // an address or length that is not a multiple of what is documented
    kOverlap = -10,       // the range is mapped already
    kWriteExecute = -11,  // a page may never be writable and executable at once
    kStaleRef = -12,      // the thread named by a ThreadRef has gone
    // State and resources.
    kNoMemory = -13,    // no free frame
    kNoSlot = -14,      // capability table, thread table or process table full
    kBusy = -15,        // somebody waits there already, or the object has been used that way
    kWrongState = -16,  // the object's state does not permit this operation now
    kTimedOut = -17,    // the time-out passed first
    kGone = -18,        // the object died while the operation was in flight
    kQueueFull = -19,   // submissions were left in the queue: no room to complete them
    // Refusals of a commit (docs/scheduling.md).
    kStaleSequence = -20,     // the thread has changed since the sequence number was read
    kNotRunnable = -21,       // the thread waits, or was not started
    kCpuNotYours = -22,       // no such CPU in the domain
    kAffinity = -23,          // the thread may not run there
    kRunningElsewhere = -24,  // the thread runs or is queued: only a commit with kCommitRecall concerns it
    kNotAttached = -25,       // the caller's process is not the domain's server
    kNotInDomain = -26,       // the thread belongs to another domain, or is an agent
    // Submissions.
    kCancelled = -27,  // by kCancel, or because the submission that it is linked to did not succeed
    // Parking.
    kValueChanged = -28,  // the word has another value than the caller expected
    // Endpoints.
    kNoCaller = -29,  // nobody waits for that reply: given already, timed out, cancelled, or gone
};

// Last error in use; tests walk all of them.
inline constexpr Error kLastError = Error::kNoCaller;

}  // namespace cox::abi
