#include "support/sentinel_group.h"

#include <stdexcept>

namespace dcoord::testing {
namespace {

std::string field(const redis::Reply& reply, const std::string& name) {
  for (size_t i = 0; reply.is_array() && i + 1 < reply.size(); i += 2) {
    if (reply.at(i).text() == name) return reply.at(i + 1).text();
  }
  return "";
}

}  // namespace

std::string monitor(const std::string& name, int port, int quorum) {
  return "sentinel monitor " + name + " 127.0.0.1 " + std::to_string(port) + " " +
         std::to_string(quorum);
}

SentinelGroup::SentinelGroup(Settings s) {
  std::vector<std::string> config = s.server_config;
  config.emplace_back("repl-diskless-sync-delay 0");
  servers_.push_back(std::make_unique<Server>(
      ServerSettings{.program = s.program, .tcp = true, .config = config}));
  config.push_back("replicaof 127.0.0.1 " + std::to_string(servers_[0]->port()));
  for (int i = 0; i < s.replicas; ++i) {
    servers_.push_back(std::make_unique<Server>(
        ServerSettings{.program = s.program, .tcp = true, .config = config}));
  }
  std::vector<std::string> watch{monitor("main", servers_[0]->port(), s.sentinels / 2 + 1),
                                 "sentinel down-after-milliseconds main 1500",
                                 "sentinel failover-timeout main 5000",
                                 "sentinel parallel-syncs main 2"};
  watch.insert(watch.end(), s.sentinel_config.begin(), s.sentinel_config.end());
  for (int i = 0; i < s.sentinels; ++i) {
    sentinels_.push_back(std::make_unique<Server>(
        ServerSettings{.program = s.program, .sentinel = true, .config = watch}));
  }
  if (!wait_until([&] { return complete(); }))
    throw std::runtime_error("the sentinels do not find each other and the replicas");
}

bool SentinelGroup::complete() {
  for (size_t i = 1; i < servers_.size(); ++i) {
    const std::string info = servers_[i]->command({"INFO", "replication"}).text();
    if (info.find("master_link_status:up") == std::string::npos) return false;
  }
  for (const auto& sentinel : sentinels_) {
    if (!sentinel->login.empty()) continue;
    const redis::Reply master = sentinel->command({"SENTINEL", "MASTER", "main"});
    if (master.is_error()) return true;  // it lets nobody in without a password
    if (field(master, "num-slaves") != std::to_string(servers_.size() - 1)) return false;
    if (field(master, "num-other-sentinels") != std::to_string(sentinels_.size() - 1)) return false;
  }
  return true;
}

std::string SentinelGroup::url() const {
  std::string hosts;
  for (const auto& sentinel : sentinels_)
    hosts += (hosts.empty() ? "127.0.0.1:" : ",127.0.0.1:") + std::to_string(sentinel->port());
  return "redis+sentinel://" + hosts + "/main";
}

Server* SentinelGroup::master() {
  std::string port;
  for (const auto& sentinel : sentinels_) {
    const redis::Reply reply = sentinel->command({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"});
    if (!reply.is_array() || (!port.empty() && reply.at(1).text() != port)) return nullptr;
    port = reply.at(1).text();
  }
  for (const auto& server : servers_) {
    if (std::to_string(server->port()) == port) return server.get();
  }
  return nullptr;
}

void SentinelGroup::wait_replicated() {
  const auto offset = [](Server& server) {
    const std::string info = server.command({"INFO", "replication"}).text();
    const size_t from = info.find("master_repl_offset:");
    return info.substr(from, info.find('\r', from) - from);
  };
  const bool same = wait_until([&] {
    Server* const now = master();
    if (now == nullptr) return false;
    for (const auto& server : servers_) {
      if (offset(*server) != offset(*now)) return false;
    }
    return true;
  });
  if (!same) throw std::runtime_error("the replicas do not catch up");
}

Server& SentinelGroup::new_master(const Server& old) {
  Server* now = nullptr;
  const bool moved = wait_until([&] {
    now = master();
    if (now == nullptr || now == &old) return false;
    return now->command({"ROLE"}).at(0).text() == "master";
  });
  if (!moved) throw std::runtime_error("no failover");
  return *now;
}

Server& SentinelGroup::failover() {
  Server* const old = master();
  if (old == nullptr) throw std::runtime_error("no master to move");
  const bool begun = wait_until([&] {
    return !sentinels_[0]->command({"SENTINEL", "FAILOVER", "main"}).is_error();
  });
  if (!begun) throw std::runtime_error("the sentinel does not begin a failover");
  Server& now = new_master(*old);
  // The sentinels would do this some 10 s later.
  old->command({"REPLICAOF", "127.0.0.1", std::to_string(now.port())});
  return now;
}

}  // namespace dcoord::testing
