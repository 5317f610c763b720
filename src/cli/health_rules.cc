// What the facts about servers mean for those who rely on them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "base/duration.h"
#include "cli/health.h"
#include "redis/session_errors.h"

namespace dcoord::cli {
namespace {

using namespace std::chrono_literals;
using redis::Inspection;
using Topology = redis::Target::Topology;

using Version = std::array<int, 3>;

Version parse_version(std::string_view text) {
  Version version{};
  for (int& part : version) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), part);
    if (error != std::errc()) break;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (text.empty() || text[0] != '.') break;
    text.remove_prefix(1);
  }
  return version;
}

/// The findings about one server.
class Judge {
 public:
  Judge(const Inspection& server, const HealthLimits& limits, std::vector<Finding>& findings)
      : s_(server), limits_(limits), at_(redis::endpoint(server.server)), findings_(findings) {}

  void add(Level level, const char* check, std::string text, std::string remedy = {}) {
    findings_.push_back({level, check, at_, std::move(text), std::move(remedy)});
  }

  bool connect() {
    if (!s_.error) return true;
    add(Level::critical, "connect", s_.error->what(),
        s_.error->hint().empty() ? "look at the server's log, and at what lies between it and here"
                                 : s_.error->hint());
    return false;
  }

  void latency() {
    // A renewal's attempts time out after a sixth of the lease, and two of them fit before the
    // command is stopped.
    const Duration slow = limits_.ttl / 60, too_slow = limits_.ttl / 6;
    const std::string text =
        fmt::format("a round trip takes {} to {}", short_time(s_.fastest), short_time(s_.slowest));
    if (s_.slowest < slow) return add(Level::ok, "latency", text);
    add(s_.slowest < too_slow ? Level::warning : Level::critical, "latency",
        fmt::format("{}, which is much of a lease of {}", text, format_duration(limits_.ttl)),
        "look for slow commands (SLOWLOG GET), swapping, a full network; or take longer leases "
        "(--ttl)");
  }

  void clock() {
    const Duration apart = std::chrono::abs(s_.clock_ahead);
    const Duration surely = std::max<Duration>(apart - s_.clock_error, Duration::zero());
    if (surely < 1s) {
      return add(Level::ok, "clock",
                 apart <= s_.clock_error
                     ? "agrees with this machine's"
                     : fmt::format("{} apart from this machine's", short_time(apart)));
    }
    add(Level::warning, "clock",
        fmt::format("{} {} this machine's", format_age(apart),
                    s_.clock_ahead.count() > 0 ? "ahead of" : "behind"),
        "leases go by the server's clock: synchronise both (chrony, systemd-timesyncd); a clock "
        "that is set back while locks are held keeps them held");
  }

  bool info() {
    if (s_.info_refused.empty()) return true;
    add(Level::note, "info", "not known: " + s_.info_refused,
        "ACL SETUSER ... +info lets it be looked at");
    return false;
  }

  void version() {
    const bool valkey = !s_.get("valkey_version").empty();
    const std::string_view text = s_.get(valkey ? "valkey_version" : "redis_version");
    const Version have = parse_version(text);
    const std::string shown = fmt::format("{} {}", valkey ? "valkey" : "redis", text);
    const Version least = valkey ? Version{7, 2, 0} : Version{6, 2, 0};
    if (have < least) {
      return add(Level::critical, "version",
                 fmt::format("{} is older than {}.{}", shown, least[0], least[1]),
                 "update the server: scripts use commands that it does not have");
    }
    // CVE-2025-49844: whoever may run a script can take the server over.
    static const std::map<std::array<int, 2>, int> redis_mended{
        {{6, 2}, 20}, {{7, 2}, 11}, {{7, 4}, 6}, {{8, 0}, 4}, {{8, 2}, 2}};
    static const std::map<std::array<int, 2>, int> valkey_mended{
        {{7, 2}, 11}, {{8, 0}, 6}, {{8, 1}, 4}};
    const auto& mended = valkey ? valkey_mended : redis_mended;
    const auto found = mended.find({have[0], have[1]});
    const bool old = found != mended.end() ? have[2] < found->second
                                           : std::array{have[0], have[1]} < mended.rbegin()->first;
    if (!old) return add(Level::ok, "version", shown);
    add(Level::note, "version",
        fmt::format("{} has CVE-2025-49844 in its Lua, unless the distribution mended it", shown),
        "update it: whoever may run scripts could take the server over");
  }

  /// False when nothing else about it counts.
  bool role(bool replica, Topology topology) {
    if (s_.number("loading") == 1) {
      add(Level::critical, "role", "it is loading its data",
          fmt::format("wait: about {} more",
                      format_age(std::chrono::seconds(s_.number("loading_eta_seconds")))));
      return false;
    }
    const bool is_replica = s_.get("role") == "slave";
    if (is_replica && !replica) {
      add(Level::critical, "role",
          fmt::format("it is a replica of {}:{}, which refuses to write", s_.get("master_host"),
                      s_.get("master_port")),
          topology == Topology::sentinel
              ? "a failover is under way, or the sentinels are out of date: SENTINEL MASTERS"
              : "name the master, or the sentinels that know it: redis+sentinel://HOST/MASTER");
      return false;
    }
    if (!replica) return true;
    if (s_.get("master_link_status") != "up") {
      add(Level::warning, "replication",
          fmt::format(
              "its link to the master is down since {}",
              format_age(std::chrono::seconds(s_.number("master_link_down_since_seconds")))),
          "look at the replica's log; a failover to it would lose what it lacks");
    } else if (s_.number("master_last_io_seconds_ago") > 15) {
      add(Level::warning, "replication",
          fmt::format("it has heard nothing of its master for {}",
                      format_age(std::chrono::seconds(s_.number("master_last_io_seconds_ago")))),
          "look at the network between them");
    } else {
      add(Level::ok, "replication", "follows its master");
    }
    return true;
  }

  void replicas(Topology topology) {
    const long long offset = s_.number("master_repl_offset");
    long long online = 0, most_behind = 0;
    for (const auto& [name, value] : s_.info) {
      if (!name.starts_with("slave") || !value.starts_with("ip=")) continue;
      const std::string who = fmt::format("replica {}:{}", part(value, "ip"), part(value, "port"));
      if (part(value, "state") != "online") {
        add(Level::warning, "replicas", fmt::format("{} is {}", who, part(value, "state")),
            "it catches up by itself, or look at its log");
        continue;
      }
      ++online;
      const long long lag = to_number(part(value, "lag"));
      const long long behind = std::max(0LL, offset - to_number(part(value, "offset")));
      most_behind = std::max(most_behind, behind);
      if (lag > 10) {
        add(Level::warning, "replicas",
            fmt::format("{} has acknowledged nothing for {}s and is {} bytes behind", who, lag,
                        behind),
            "a failover to it would lose that: look at its load and at the network");
      }
    }
    if (online < limits_.replicas) {
      return add(Level::critical, "replicas",
                 fmt::format("{} of the {} that --replicas asks for", online, limits_.replicas),
                 "locks with --replicas are refused until there are enough");
    }
    if (online > 0) {
      add(Level::ok, "replicas", fmt::format("{} online, {} bytes behind", online, most_behind));
      const auto least = s_.setting("min-replicas-to-write");
      if (topology == Topology::sentinel && least == "0") {
        add(Level::note, "settings",
            "min-replicas-to-write is 0: a master that is cut off goes on granting locks until "
            "its clients find the new one",
            "CONFIG SET min-replicas-to-write 1, if there are two replicas or more");
      }
      return;
    }
    if (topology == Topology::single)
      return add(Level::note, "replicas", "none: while it is down nothing can be taken or renewed");
    add(Level::warning, "replicas", "none: there is nothing to fail over to",
        "add a replica, or look why it is gone: INFO replication");
  }

  void persistence() {
    const bool aof = s_.number("aof_enabled") == 1;
    if (aof && s_.get("aof_last_write_status") == "err") {
      return add(Level::critical, "persistence",
                 "the append-only file cannot be written, so writes are refused",
                 "make room on its disk, or look at the server's log");
    }
    if (s_.get("rdb_last_bgsave_status") == "err") {
      const bool stops = s_.setting("stop-writes-on-bgsave-error").value_or("yes") == "yes" &&
                         s_.setting("save").value_or("?") != "";
      add(stops ? Level::critical : Level::warning, "persistence",
          stops ? "the last snapshot failed, so writes are refused" : "the last snapshot failed",
          "make room on its disk or in memory, or look at the server's log");
      if (stops) return;
    }
    if (aof) {
      const std::string_view sync = s_.setting("appendfsync").value_or("");
      if (sync == "no") {
        return add(Level::warning, "persistence",
                   "append-only file, but appendfsync is no: a crash of the machine may lose half "
                   "a minute of grants",
                   "CONFIG SET appendfsync everysec");
      }
      return add(Level::ok, "persistence",
                 sync.empty() ? "append-only file" : fmt::format("append-only file, {}", sync));
    }
    const bool snapshots = s_.setting("save").value_or("") != "";
    std::string text = snapshots ? "snapshots only: a restart forgets what was taken and pushed "
                                   "since the last one"
                                 : "no append-only file: a restart forgets all locks, queues and "
                                   "values";
    if (!snapshots && s_.number("connected_slaves") > 0)
      text += ", and a master that comes back empty empties its replicas";
    add(Level::warning, "persistence", text + "; two may then hold a lock for up to its TTL",
        "CONFIG SET appendonly yes, and in the server's configuration");
  }

  void memory() {
    const long long most = s_.number("maxmemory"), used = s_.number("used_memory");
    const std::string_view policy = s_.get("maxmemory_policy");
    if (most > 0 && !policy.empty() && policy != "noeviction") {
      add(Level::critical, "eviction",
          fmt::format("maxmemory-policy is {}: locks are dropped when memory is full, so holders "
                      "refuse this server",
                      policy),
          "CONFIG SET maxmemory-policy noeviction");
    } else {
      add(Level::ok, "eviction", most > 0 ? "noeviction" : "no limit of memory");
    }
    if (s_.number("evicted_keys") > 0) {
      add(Level::warning, "eviction",
          fmt::format("{} keys were evicted since it started", s_.number("evicted_keys")),
          "locks may have been among them; CONFIG RESETSTAT when that is mended");
    }
    if (most <= 0) return;
    const double share = static_cast<double>(used) / static_cast<double>(most);
    const std::string text = fmt::format("{:.0f}% of maxmemory used", share * 100);
    if (share < 0.9) return add(Level::ok, "memory", text);
    add(share < 1 ? Level::warning : Level::critical, "memory",
        share < 1 ? text : text + ": new locks and items are refused",
        "raise maxmemory, or look what fills it: redis-cli --bigkeys, dcoord queue list");
  }

  void clients() {
    const long long most = s_.number("maxclients"), now = s_.number("connected_clients");
    const std::string text =
        fmt::format("{} connected, {} of them waiting", now, s_.number("blocked_clients"));
    if (most <= 0 || now * 10 < most * 8) return add(Level::ok, "clients", text);
    add(now * 100 < most * 95 ? Level::warning : Level::critical, "clients",
        fmt::format("{}, of {} at most", text, most),
        "CONFIG SET maxclients; a waiting command has one connection, one that holds two");
  }

  void settings() {
    if (!s_.config_refused.empty()) {
      return add(Level::note, "settings", "not known: " + s_.config_refused,
                 "ACL SETUSER ... +config|get lets them be looked at");
    }
    bool all_well = true;
    const auto note = [&](Level level, std::string text, std::string remedy) {
      all_well = false;
      add(level, "settings", std::move(text), std::move(remedy));
    };
    const long long idle = to_number(s_.setting("timeout").value_or("0"));
    if (idle > 0 && std::chrono::seconds(idle) <= limits_.ttl / 3) {
      note(Level::warning,
           fmt::format("timeout {}: idle connections are closed between two renewals, so that each "
                       "one has to connect anew",
                       idle),
           "CONFIG SET timeout 0");
    }
    if (s_.setting("tcp-keepalive") == "0") {
      note(Level::note, "tcp-keepalive 0: clients that died stay connected for ever",
           "CONFIG SET tcp-keepalive 60");
    }
    const Duration fork = std::chrono::microseconds(s_.number("latest_fork_usec"));
    if (fork > limits_.ttl / 60) {
      note(Level::warning,
           fmt::format("its last fork, for a snapshot or a rewrite, stopped it for {}",
                       short_time(fork)),
           "less memory in one server, no transparent huge pages, or longer leases");
    }
    if (all_well) add(Level::ok, "settings", "nothing dangerous");
  }

 private:
  static long long to_number(std::string_view text) {
    long long n = 0;
    std::from_chars(text.data(), text.data() + text.size(), n);
    return n;
  }
  /// Of "ip=1.2.3.4,port=6379,...".
  static std::string_view part(std::string_view list, std::string_view name) {
    while (!list.empty()) {
      const std::string_view one = list.substr(0, list.find(','));
      list.remove_prefix(std::min(one.size() + 1, list.size()));
      if (one.starts_with(name) && one.substr(name.size()).starts_with('='))
        return one.substr(name.size() + 1);
    }
    return {};
  }

  const Inspection& s_;
  const HealthLimits& limits_;
  std::string at_;
  std::vector<Finding>& findings_;
};

}  // namespace

void judge_server(const Inspection& server, bool replica, Topology topology,
                  const HealthLimits& limits, std::vector<Finding>& findings) {
  Judge judge(server, limits, findings);
  if (!judge.connect()) return;
  judge.latency();
  judge.clock();
  if (!judge.info()) return;
  judge.version();
  if (!judge.role(replica, topology) || replica) return;
  judge.replicas(topology);
  judge.persistence();
  judge.memory();
  judge.clients();
  judge.settings();
}

void judge_members(const redis::Members& members, const redis::Target& target,
                   std::vector<Finding>& findings) {
  const auto add = [&](Level level, const char* check, std::string server, std::string text,
                       std::string remedy = {}) {
    findings.push_back({level, check, std::move(server), std::move(text), std::move(remedy)});
  };
  if (members.error) {
    add(Level::critical, "connect", "", members.error->what(), members.error->hint());
    return;
  }
  size_t agree = 0;
  for (const auto& sentinel : members.sentinels) {
    const std::string at = redis::to_string(sentinel.address);
    if (sentinel.error) {
      add(Level::warning, "sentinel", at, sentinel.error->what(),
          "start it again: the failover needs a majority of the sentinels");
    } else if (!sentinel.master) {
      add(Level::critical, "sentinel", at, fmt::format("it knows no master '{}'", target.master),
          "the URL ends with the name that the sentinels give it: SENTINEL MASTERS lists them");
    } else if (sentinel.quorum) {
      add(Level::critical, "sentinel", at, *sentinel.quorum,
          "no failover is possible: look at the sentinels that do not answer");
    } else if (*sentinel.master != members.masters.front().server.address()) {
      add(Level::critical, "sentinel", at,
          fmt::format("it names {} as the master, another one names {}",
                      redis::to_string(*sentinel.master),
                      redis::to_string(members.masters.front().server.address())),
          "a failover is under way, or the sentinels do not hear each other");
    } else {
      ++agree;
    }
  }
  if (agree > 0 && agree == members.sentinels.size()) {
    add(Level::ok, "sentinel", "",
        fmt::format("{} sentinel{}, with a quorum for failover", agree, agree == 1 ? "" : "s"));
  }
  if (target.topology != Topology::cluster) return;
  const auto field = [&](const char* name) {
    const auto found = members.cluster.find(name);
    return found == members.cluster.end() ? std::string() : found->second;
  };
  if (field("cluster_state") != "ok") {
    add(Level::critical, "cluster", "",
        fmt::format("its state is {}, {} of 16384 slots are served", field("cluster_state"),
                    field("cluster_slots_ok")),
        "CLUSTER NODES tells which nodes are missing");
  } else if (field("cluster_slots_pfail") != "0" || field("cluster_slots_fail") != "0") {
    add(Level::warning, "cluster", "",
        fmt::format("{} slots are on nodes that do not answer",
                    std::atoi(field("cluster_slots_pfail").c_str()) +
                        std::atoi(field("cluster_slots_fail").c_str())),
        "CLUSTER NODES tells which");
  } else {
    add(Level::ok, "cluster", "",
        fmt::format("{} masters, all slots served", members.masters.size()));
  }
}

void judge_commands(const std::vector<primitives::RefusedCommand>& refused,
                    const redis::Server& server, std::vector<Finding>& findings) {
  Finding finding{Level::ok, "permissions", redis::endpoint(server),
                  "all commands that dcoord uses", ""};
  if (!refused.empty()) {
    std::string names, grants;
    for (const auto& one : refused) {
      names += (names.empty() ? "" : ", ") + one.command;
      grants += " +" + one.command;
    }
    std::transform(grants.begin(), grants.end(), grants.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    finding.level = Level::critical;
    finding.text = fmt::format("not allowed: {}", names);
    finding.remedy =
        fmt::format("ACL SETUSER {}{}", server.user.empty() ? "default" : server.user, grants);
  }
  findings.push_back(std::move(finding));
}

void judge_lock(const primitives::LockProbe& probe, const redis::Server& server,
                const HealthLimits& limits, std::vector<Finding>& findings) {
  const Duration slowest = std::max({probe.acquire, probe.renew, probe.release});
  Finding finding{
      Level::ok, "lock", redis::endpoint(server),
      fmt::format("acquired in {}, renewed in {}, released in {}", short_time(probe.acquire),
                  short_time(probe.renew), short_time(probe.release)),
      ""};
  if (slowest > limits.ttl / 60) {
    finding.level = slowest > limits.ttl / 6 ? Level::critical : Level::warning;
    finding.text += fmt::format(", which is much of a lease of {}", format_duration(limits.ttl));
    finding.remedy = "look for what the server is busy with: SLOWLOG GET, INFO commandstats";
  }
  findings.push_back(std::move(finding));
}

}  // namespace dcoord::cli
