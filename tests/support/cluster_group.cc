#include "support/cluster_group.h"

#include <stdexcept>

namespace dcoord::testing {
namespace {

constexpr int kSlots = 16384;

ServerSettings as_node(ServerSettings settings, int bus) {
  settings.tcp = true;
  settings.config.emplace_back("cluster-enabled yes");
  settings.config.push_back("cluster-port " + std::to_string(bus));
  settings.config.emplace_back("cluster-node-timeout 1200");
  settings.config.emplace_back("repl-diskless-sync-delay 0");
  return settings;
}

bool says(const redis::Reply& reply, const std::string& text) {
  return reply.text().find(text) != std::string::npos;
}

}  // namespace

ClusterNode::ClusterNode(ServerSettings settings)
    : bus(free_port()), server(as_node(std::move(settings), bus)) {}

bool ClusterNode::is_up() const {
  return says(server.command({"CLUSTER", "INFO"}), "cluster_state:ok");
}

void ClusterNode::meet(const ClusterNode& other) const {
  server.command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(other.server.port()),
                  std::to_string(other.bus)});
}

ClusterGroup::ClusterGroup(Settings s) {
  s.server.program = s.program;
  const int nodes = s.masters * (1 + s.replicas);
  for (int i = 0; i < nodes; ++i) nodes_.push_back(std::make_unique<ClusterNode>(s.server));
  for (int i = 0; i < s.masters; ++i) {
    nodes_[static_cast<size_t>(i)]->server.command(
        {"CLUSTER", "ADDSLOTSRANGE", std::to_string(kSlots * i / s.masters),
         std::to_string(kSlots * (i + 1) / s.masters - 1)});
  }
  for (size_t i = 1; i < nodes_.size(); ++i) node(0).meet(node(i));
  const bool met = wait_until([&] {
    for (const auto& one : nodes_) {
      const redis::Reply info = one->server.command({"CLUSTER", "INFO"});
      if (!says(info, "cluster_known_nodes:" + std::to_string(nodes) + "\r")) return false;
      if (!says(info, "cluster_state:ok")) return false;
    }
    return true;
  });
  if (!met) throw std::runtime_error("the nodes of the cluster do not meet");
  const auto masters = static_cast<size_t>(s.masters);
  for (size_t i = masters; i < nodes_.size(); ++i)
    node(i).server.command({"CLUSTER", "REPLICATE", node(i % masters).id()});
  if (!wait_until([&] { return complete(s.masters * s.replicas); }))
    throw std::runtime_error("the cluster does not come up");
}

bool ClusterGroup::complete(int replicas) {
  for (const auto& one : nodes_) {
    if (!one->is_up()) return false;
    const std::string known = one->server.command({"CLUSTER", "NODES"}).text();
    int slaves = 0;
    for (size_t at = 0; (at = known.find("slave", at)) != std::string::npos; ++at) ++slaves;
    if (slaves != replicas) return false;
    if (!one->is_master() &&
        !says(one->server.command({"INFO", "replication"}), "master_link_status:up"))
      return false;
  }
  return true;
}

ClusterNode& ClusterGroup::owner(int slot) {
  ClusterNode* found = nullptr;
  const bool known = wait_until([&] {
    for (const auto& one : nodes_) {
      const redis::Reply keys = one->server.command({"CLUSTER", "SLOTS"});
      for (const auto& range : keys.elements()) {
        if (slot < range.at(0).number() || slot > range.at(1).number()) continue;
        for (const auto& other : nodes_) {
          if (other->server.port() == range.at(2).at(1).number()) found = other.get();
        }
      }
      if (found != nullptr) return true;
    }
    return false;
  });
  if (!known) throw std::runtime_error("nobody serves the slot");
  return *found;
}

long long ClusterGroup::errors(const std::string& word) const {
  long long all = 0;
  for (const auto& one : nodes_) {
    const std::string info = one->server.command({"INFO", "errorstats"}).text();
    const std::string field = "errorstat_" + word + ":count=";
    const size_t at = info.find(field);
    if (at != std::string::npos) all += std::stoll(info.substr(at + field.size()));
  }
  return all;
}

void ClusterGroup::assign(int slot, const ClusterNode& to) {
  const std::string id = to.id();
  // The new owner first: a node that gave away its slot must not be without a taker.
  to.server.command({"CLUSTER", "SETSLOT", std::to_string(slot), "NODE", id});
  for (const auto& one : nodes_) {
    if (one->is_master())
      one->server.command({"CLUSTER", "SETSLOT", std::to_string(slot), "NODE", id});
  }
}

}  // namespace dcoord::testing
