#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/server.h"

namespace dcoord::testing {

/// A master with replicas, and sentinels that watch it under the name "main". Made when every
/// sentinel knows all of them, so that a failover can begin.
class SentinelGroup {
 public:
  struct Settings {
    std::string program = "redis-server";
    int replicas = 2;
    int sentinels = 3;
    std::vector<std::string> server_config;    ///< more lines of master and replicas
    std::vector<std::string> sentinel_config;  ///< more lines of the sentinels
  };
  explicit SentinelGroup(Settings settings);

  /// redis+sentinel://all sentinels/main
  std::string url() const;
  Server& sentinel(size_t i) { return *sentinels_[i]; }
  /// The first server is the master at the beginning.
  Server& server(size_t i) { return *servers_[i]; }
  size_t servers() const { return servers_.size(); }

  /// The server that every sentinel names, or nothing while they differ or name none of ours.
  Server* master();
  /// Waits until the replicas have all that the master has.
  void wait_replicated();
  /// Waits until another server than `old` is the master.
  Server& new_master(const Server& old);
  /// Makes a sentinel move the master, and waits until it has moved: the old one is a replica.
  Server& failover();

 private:
  bool complete();

  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<std::unique_ptr<Server>> sentinels_;
};

/// The line of a sentinel's configuration that has it watch a server.
std::string monitor(const std::string& name, int port, int quorum);

}  // namespace dcoord::testing
