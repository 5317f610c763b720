#include "redis/target.h"

#include <fmt/format.h>

#include "base/error.h"
#include "redis/url_parts.h"

namespace dcoord::redis {
namespace {

using std::string_view;
using Topology = Target::Topology;

constexpr int kSentinelPort = 26379;
constexpr const char* kSentinelForm = "redis+sentinel://HOST:26379,HOST/MASTER/0";
constexpr const char* kClusterForm = "redis-cluster://HOST:6379,HOST";

/// Takes "+sentinel" and the like off a scheme.
Topology take_topology(string_view& scheme) {
  for (const auto topology : {Topology::sentinel, Topology::cluster}) {
    const string_view word = topology == Topology::sentinel ? "sentinel" : "cluster";
    if (scheme.size() <= word.size() || !scheme.ends_with(word)) continue;
    const char joint = scheme[scheme.size() - word.size() - 1];
    if (joint != '+' && joint != '-') continue;
    scheme.remove_suffix(word.size() + 1);
    return topology;
  }
  return Topology::single;
}

void parse_nodes(const UrlSource& source, string_view hosts, int port, Target& target) {
  while (true) {
    const string_view one = hosts.substr(0, hosts.find(','));
    HostPort node{"", port};
    parse_host_port(source, one, node);
    if (node.host.empty()) {
      throw source.wrong("a host is missing",
                         target.topology == Topology::sentinel ? kSentinelForm : kClusterForm);
    }
    target.nodes.push_back(std::move(node));
    if (one.size() == hosts.size()) return;
    hosts.remove_prefix(one.size() + 1);
  }
}

/// MASTER, MASTER/DB, or with ?sentinelMasterId= the database alone, as lettuce writes it.
void parse_sentinel_path(const UrlSource& source, string_view path, Target& target) {
  if (target.master.empty()) {
    string_view rest = path;
    target.master = decode(source, cut(rest, "/"), "name of the master");
    path = rest.empty() ? rest : rest.substr(1);
  }
  if (target.master.empty()) {
    throw source.wrong("the name of the master is missing behind the sentinels", kSentinelForm);
  }
  if (!path.empty()) target.server.db = parse_db(source, path);
}

void parse_parameters(const UrlSource& source, string_view query, Target& target,
                      std::optional<int>& db) {
  const bool sentinel = target.topology == Topology::sentinel;
  string_view key;
  std::optional<string_view> value;
  while (next_parameter(query, key, value)) {
    if (key == "db" && value) {
      db = parse_db(source, *value);
    } else if (sentinel && key == "sentinelMasterId" && value) {
      target.master = decode(source, *value, "name of the master");
    } else {
      throw source.wrong(
          fmt::format("unknown parameter '{}'", key),
          sentinel ? "?db=N and ?sentinelMasterId=NAME are known" : "only ?db=N is known");
    }
  }
}

}  // namespace

Target parse_target(string_view url, string_view origin) {
  const UrlSource source{url, origin};
  Target target;
  const size_t colon = url.find("://");
  const std::string whole = lower(url.substr(0, colon == string_view::npos ? 0 : colon));
  string_view scheme = whole;
  target.topology = take_topology(scheme);
  if (target.topology == Topology::single) {
    target.server = parse_url(url, origin);
    return target;
  }
  string_view rest;
  take_scheme(source, rest);
  Server& server = target.server;
  server.origin = origin;
  server.host.clear();
  server.tls.enabled = scheme == "rediss" || scheme == "valkeys";
  if (!server.tls.enabled && scheme != "redis" && scheme != "valkey")
    throw source.wrong(fmt::format("unknown scheme '{}'", whole));

  const bool sentinel = target.topology == Topology::sentinel;
  string_view authority = cut(rest, "/?#");
  take_user_info(source, authority, rest, server);
  parse_nodes(source, authority, sentinel ? kSentinelPort : server.port, target);
  const UrlTail tail = split_tail(source, rest);
  std::optional<int> db;
  parse_parameters(source, tail.query, target, db);
  const string_view path = tail.path.empty() ? tail.path : tail.path.substr(1);
  if (sentinel) {
    parse_sentinel_path(source, path, target);
    server.part = fmt::format("master '{}'", target.master);
  } else if (!path.empty()) {
    server.db = parse_db(source, path);
  }
  if (db) server.db = *db;
  return target;
}

std::string describe(const Target& target) {
  if (target.topology == Topology::single) return describe(target.server);
  const Server& server = target.server;
  std::string nodes;
  for (const HostPort& node : target.nodes) nodes += (nodes.empty() ? "" : ",") + to_string(node);
  const std::string user = server.user.empty() ? "" : server.user + "@";
  const char* const scheme = server.tls.enabled ? "rediss" : "redis";
  if (target.topology == Topology::cluster)
    return fmt::format("{}-cluster://{}{}/{}", scheme, user, nodes, server.db);
  return fmt::format("{}+sentinel://{}{}/{}/{}", scheme, user, nodes, target.master, server.db);
}

}  // namespace dcoord::redis
