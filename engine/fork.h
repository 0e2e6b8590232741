// Forks of the host process.
//
// The child has one thread: helpers are gone, and locks that another thread held would stay locked for ever. So a fork
// waits, a second at most, until no other thread is in a part of the library that takes locks, and new ones wait at the
// door meanwhile. The child then has a working library: its models, and contexts that no other thread was running. When
// that takes longer, or the thread that forks is itself in such a part (a callback), every call in the child is
// refused.
#pragma once

#include <cstdint>

namespace residua::engine {

// While it lives, this thread may hold locks: the library's, or oneDNN's. May be nested.
class LockingCall {
 public:
  LockingCall();
  ~LockingCall();
  LockingCall(const LockingCall&) = delete;
  LockingCall& operator=(const LockingCall&) = delete;
};

// The other way round, within a LockingCall: while it lives, this thread takes no lock, however long it computes.
class LockFree {
 public:
  LockFree();
  ~LockFree();
  LockFree(const LockFree&) = delete;
  LockFree& operator=(const LockFree&) = delete;

 private:
  int depth_;
};

// How many forks lie between this process and the one that loaded the library. What is of threads that only the parent
// has is recognised by an older number.
std::uint32_t forks_so_far();

// Why the library cannot be used in this process; nullptr: it can.
const char* broken_by_fork();

}  // namespace residua::engine
