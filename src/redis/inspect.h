#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "redis/session.h"
#include "redis/target.h"

namespace dcoord::redis {

/// What a server tells of itself, for those who judge whether it will do.
struct Inspection {
  Server server;
  std::optional<Error> error;  ///< it could not be asked: nothing below is known
  std::map<std::string, std::string, std::less<>> info;    ///< INFO: field -> value
  std::map<std::string, std::string, std::less<>> config;  ///< CONFIG GET of what matters here
  std::string info_refused;                                ///< why there is no info; "" if there is
  std::string config_refused;  ///< why there is no config; "" if there is
  Duration fastest{};          ///< of the round trips
  Duration slowest{};
  Millis clock_ahead{};    ///< the server's clock less this machine's
  Duration clock_error{};  ///< and by how much that may be wrong

  /// A field of INFO; "" when there is none.
  std::string_view get(std::string_view field) const;
  /// As a number; 0 when it is none.
  long long number(std::string_view field) const;
  /// A setting; nothing when it is not known.
  std::optional<std::string_view> setting(std::string_view name) const;
};

/// Asks one server over a connection of its own; never throws Error. `round_trips` of them are
/// measured.
Task<Inspection> inspect(Loop& loop, Server server, SessionOptions options, int round_trips,
                         TimePoint until);

/// A sentinel, and what it says of the master.
struct SentinelView {
  HostPort address;
  std::optional<Error> error;         ///< it could not be asked
  std::optional<HostPort> master;     ///< nothing: it knows no master of that name
  std::optional<std::string> quorum;  ///< why there is no quorum for a failover
};

/// One that scripts run on.
struct Master {
  Server server;
  std::vector<std::pair<int, int>> slots{};  ///< of a cluster: what it serves, first and last
  bool serves(int slot) const;               ///< true outside of a cluster
};

/// The servers behind a target.
struct Members {
  std::optional<Error> error;  ///< they could not be found out
  std::vector<Master> masters;
  std::vector<SentinelView> sentinels;
  std::map<std::string, std::string, std::less<>> cluster;  ///< CLUSTER INFO
};

/// Finds out which servers a target leads to; never throws Error.
Task<Members> find_members(Loop& loop, const Target& target, SessionOptions options,
                           TimePoint until);

/// The replicas that a master's INFO names.
std::vector<Server> replicas_of(const Inspection& master);

}  // namespace dcoord::redis
