#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include "base/loop.h"

namespace dcoord::redis {

/// Where to connect to.
struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  int family() const { return storage.ss_family; }
};

/// The result of a look-up: addresses in the order to try them, or what went wrong.
struct Lookup {
  std::vector<Address> addresses;
  std::string error;
};

/// The addresses of a host. Numbers are read at once; a name is looked up in a thread of its own,
/// because nothing bounds how long that takes, and is given up at `until` (the thread then ends by
/// itself, whenever that is).
Task<Lookup> resolve(Loop& loop, std::string host, int port, TimePoint until);

/// The address of a unix socket; none when the path is too long for one.
Lookup unix_address(const std::string& path);

}  // namespace dcoord::redis
