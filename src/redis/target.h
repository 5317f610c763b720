#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redis/url.h"

namespace dcoord::redis {

/// Where the data is: one server, the master that sentinels name, or a cluster.
struct Target {
  enum class Topology { single, sentinel, cluster };
  Topology topology = Topology::single;
  /// single: the server. Else what its nodes have in common: all but the address.
  Server server;
  std::vector<HostPort> nodes;  ///< sentinel: the sentinels; cluster: some of its nodes; not empty
  std::string master;           ///< sentinel: the name of the master
  /// sentinel: as whom to ask them; they know nothing of the servers' users and passwords.
  std::string sentinel_user;
  std::function<std::optional<std::string>()> sentinel_password;  ///< as Server::password
};

/// Reads what parse_url does, and of several servers:
///     redis+sentinel://[USER:PASSWORD@]HOST:26379,HOST,.../MASTER[/DB]
///     redis-sentinel://HOST,.../DB?sentinelMasterId=MASTER
///     redis-cluster://[USER:PASSWORD@]HOST:6379,HOST,...
/// with redis, rediss, valkey or valkeys before a '+' or '-'. User and password are the servers'.
Target parse_target(std::string_view url, std::string_view origin);

/// Its URL, without the password: for messages.
std::string describe(const Target& target);

}  // namespace dcoord::redis
