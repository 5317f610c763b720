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

/// Starts the command that was put there: everything as `start` says, its own environment with the
/// command's changes, `input` and `errors` as its standard input and standard error unless -1.
/// Returns once it runs, or has failed with the reason in Shared::exec_errno. -1 with errno set
/// when there can be no further process. Never allocates.
pid_t spawn_command(Shared& shared, const StartState& start, pid_t parent, int input, int errors);

}  // namespace dcoord::hold
