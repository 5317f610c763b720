#pragma once

#include <sys/types.h>

#include <cstddef>

#include "hold/shared.h"
#include "hold/start_state.h"
#include "hold/supervisor.h"

namespace dcoord::hold {

/// Anonymous memory that a fork shares, at the same address: Shared, and room for a command line
/// behind it. Pages that nothing was written to cost nothing.
class SharedMemory {
 public:
  /// Throws Error when there is none to have.
  SharedMemory();
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  Shared* operator->() const { return shared_; }
  Shared& operator*() const { return *shared_; }
  /// Writes the command behind Shared, as pointers that hold in the fork too. False when there is
  /// no room: more than any kernel would execute.
  bool put_command(const Command& command);

 private:
  // Linux takes at most 6 MiB of arguments and environment, with 8 bytes more for each.
  static constexpr size_t kSize = size_t{16} << 20;
  Shared* shared_;
};

/// In the new process: becomes the command, with everything as `start` says and its own environment
/// with the command's changes. Never allocates. On failure the reason is in Shared::exec_errno and
/// the process ends.
[[noreturn]] void exec_command(Shared& shared, const StartState& start, pid_t parent);

}  // namespace dcoord::hold
