#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "base/unique_fd.h"
#include "redis/resolve.h"

namespace dcoord::redis {

/// A connected, non-blocking, close-on-exec stream socket, or what went wrong.
struct Connected {
  UniqueFd fd;
  std::string error;
  bool timed_out = false;
};

/// Connects to the first of the addresses that answers: the next one is tried when one fails or has
/// not answered within 250 ms, and the others are given up when one has.
Task<Connected> connect_any(Loop& loop, std::vector<Address> addresses, TimePoint until);

/// What one non-blocking transfer came to.
struct Io {
  enum class State { moved, want_read, want_write, closed, failed };
  State state = State::moved;
  size_t bytes = 0;
  std::string error;  ///< failed
};

/// send(2) and recv(2) that neither block nor raise SIGPIPE.
Io send_some(int fd, std::string_view data);
Io receive_some(int fd, char* buffer, size_t size);

}  // namespace dcoord::redis
