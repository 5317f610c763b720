#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/server.h"

namespace dcoord::testing {

/// A node of a cluster, with a bus port of its own (the usual one may be no port at all).
struct ClusterNode {
  explicit ClusterNode(ServerSettings settings);
  explicit ClusterNode(const std::string& program) : ClusterNode(ServerSettings{program}) {}

  std::string address() const { return "127.0.0.1:" + std::to_string(server.port()); }
  std::string id() const { return server.command({"CLUSTER", "MYID"}).text(); }
  /// What CLUSTER INFO says of it.
  bool is_up() const;
  bool is_master() const { return server.command({"ROLE"}).at(0).text() == "master"; }
  void meet(const ClusterNode& other) const;

  int bus;
  Server server;
};

/// A cluster whose masters share the slots evenly, each with so many replicas. Made when all is up
/// and every replica has caught up.
class ClusterGroup {
 public:
  struct Settings {
    std::string program = "redis-server";
    int masters = 3;
    int replicas = 1;         ///< of each master
    ServerSettings server{};  ///< `config` and `tls` of each node
  };
  explicit ClusterGroup(Settings settings);

  /// redis-cluster://first node
  std::string url() const { return "redis-cluster://" + node(0).address(); }
  /// The first ones are the masters at the beginning; node masters + i replicates node i.
  ClusterNode& node(size_t i) { return *nodes_[i]; }
  const ClusterNode& node(size_t i) const { return *nodes_[i]; }
  size_t size() const { return nodes_.size(); }
  /// The node that serves a slot, by what the others say.
  ClusterNode& owner(int slot);
  /// How often the nodes have answered with this error.
  long long errors(const std::string& word) const;
  /// Tells every node that a slot is `node`'s now.
  void assign(int slot, const ClusterNode& to);

 private:
  bool complete(int replicas);

  std::vector<std::unique_ptr<ClusterNode>> nodes_;
};

}  // namespace dcoord::testing
