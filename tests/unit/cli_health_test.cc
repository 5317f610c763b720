#include "cli/health.h"

#include <catch2/catch_test_macros.hpp>

#include "redis/scripts.h"

using namespace dcoord;
using namespace dcoord::cli;
using namespace std::chrono_literals;
using redis::Inspection;
using Topology = redis::Target::Topology;

namespace {

/// A master that nothing is wrong with.
Inspection healthy() {
  Inspection s;
  s.server.host = "db1";
  s.fastest = 200us;
  s.slowest = 900us;
  s.clock_error = 1ms;
  s.info = {{"redis_version", "8.2.2"},
            {"role", "master"},
            {"loading", "0"},
            {"connected_slaves", "1"},
            {"master_repl_offset", "5000"},
            {"slave0", "ip=10.0.0.2,port=6379,state=online,offset=4990,lag=1"},
            {"aof_enabled", "1"},
            {"aof_last_write_status", "ok"},
            {"rdb_last_bgsave_status", "ok"},
            {"maxmemory", "0"},
            {"maxmemory_policy", "noeviction"},
            {"evicted_keys", "0"},
            {"maxclients", "10000"},
            {"connected_clients", "12"},
            {"blocked_clients", "3"},
            {"latest_fork_usec", "900"}};
  s.config = {{"appendfsync", "everysec"},
              {"save", ""},
              {"timeout", "0"},
              {"tcp-keepalive", "300"},
              {"min-replicas-to-write", "1"}};
  return s;
}

std::vector<Finding> judge(const Inspection& s, Topology topology = Topology::single,
                           HealthLimits limits = {}, bool replica = false) {
  std::vector<Finding> findings;
  judge_server(s, replica, topology, limits, findings);
  return findings;
}

/// The level of a check, the worst if it found several things; its texts are in `text`.
struct Result {
  std::optional<Level> level;
  std::string text, remedy;
};
Result of(const std::vector<Finding>& findings, const std::string& check) {
  Result result;
  for (const auto& f : findings) {
    if (f.check != check) continue;
    result.level = std::max(result.level.value_or(Level::ok), f.level);
    result.text += f.text + "\n";
    result.remedy += f.remedy + "\n";
  }
  return result;
}

}  // namespace

TEST_CASE("health: nothing is found where nothing is wrong") {
  for (const auto& finding : judge(healthy())) {
    INFO(finding.check << ": " << finding.text);
    CHECK(finding.level == Level::ok);
    CHECK(finding.remedy.empty());
    CHECK(finding.server == "db1:6379");
  }
}

TEST_CASE("health: each danger has its level and its remedy") {
  struct Case {
    const char* check;
    Level level;
    std::vector<std::pair<const char*, const char*>> info, config;
  };
  const std::vector<Case> cases{
      {"version", Level::critical, {{"redis_version", "6.0.16"}}, {}},
      {"version", Level::note, {{"redis_version", "7.0.15"}}, {}},
      {"version", Level::note, {{"redis_version", "8.2.1"}}, {}},
      {"version", Level::ok, {{"redis_version", "7.4.6"}}, {}},
      {"version", Level::critical, {{"valkey_version", "7.1.9"}, {"redis_version", "7.2.4"}}, {}},
      {"version", Level::ok, {{"valkey_version", "8.1.4"}, {"redis_version", "7.2.4"}}, {}},
      {"role", Level::critical, {{"role", "slave"}, {"master_host", "db2"}}, {}},
      {"role", Level::critical, {{"loading", "1"}, {"loading_eta_seconds", "7"}}, {}},
      {"replicas",
       Level::warning,
       {{"slave0", "ip=r,port=1,state=wait_bgsave,offset=0,lag=0"}},
       {}},
      {"replicas", Level::warning, {{"slave0", "ip=r,port=1,state=online,offset=10,lag=40"}}, {}},
      {"persistence", Level::critical, {{"aof_last_write_status", "err"}}, {}},
      {"persistence", Level::warning, {{"aof_enabled", "0"}}, {}},
      {"persistence", Level::warning, {{"aof_enabled", "0"}}, {{"save", "3600 1"}}},
      {"persistence", Level::warning, {}, {{"appendfsync", "no"}}},
      {"persistence", Level::critical, {{"rdb_last_bgsave_status", "err"}}, {{"save", "3600 1"}}},
      {"persistence", Level::warning, {{"rdb_last_bgsave_status", "err"}}, {}},
      {"eviction", Level::critical, {{"maxmemory", "9"}, {"maxmemory_policy", "volatile-ttl"}}, {}},
      {"eviction", Level::ok, {{"maxmemory_policy", "allkeys-lru"}}, {}},
      {"eviction", Level::warning, {{"evicted_keys", "3"}}, {}},
      {"memory", Level::ok, {{"maxmemory", "100"}, {"used_memory", "50"}}, {}},
      {"memory", Level::warning, {{"maxmemory", "100"}, {"used_memory", "95"}}, {}},
      {"memory", Level::critical, {{"maxmemory", "100"}, {"used_memory", "101"}}, {}},
      {"clients", Level::warning, {{"connected_clients", "8500"}}, {}},
      {"clients", Level::critical, {{"connected_clients", "9900"}}, {}},
      {"settings", Level::warning, {}, {{"timeout", "5"}}},
      {"settings", Level::ok, {}, {{"timeout", "300"}}},
      {"settings", Level::note, {}, {{"tcp-keepalive", "0"}}},
      {"settings", Level::warning, {{"latest_fork_usec", "900000"}}, {}},
  };
  for (const auto& one : cases) {
    Inspection s = healthy();
    for (const auto& [name, value] : one.info) s.info[name] = value;
    for (const auto& [name, value] : one.config) s.config[name] = value;
    const Result found = of(judge(s), one.check);
    INFO(one.check << ": " << found.text);
    CHECK(found.level == one.level);
    if (one.level != Level::ok) CHECK(found.remedy.size() > 3);
  }
}

TEST_CASE("health: delays are measured against the lease") {
  Inspection s = healthy();
  s.slowest = 600ms;
  CHECK(of(judge(s), "latency").level == Level::warning);
  HealthLimits limits;
  limits.ttl = 60s;
  CHECK(of(judge(s, Topology::single, limits), "latency").level == Level::ok);
  limits.ttl = 3s;
  CHECK(of(judge(s, Topology::single, limits), "latency").level == Level::critical);
}

TEST_CASE("health: a clock is apart only if it surely is") {
  Inspection s = healthy();
  s.clock_ahead = Millis(-90'000);
  const Result found = of(judge(s), "clock");
  CHECK(found.level == Level::warning);
  CHECK(found.text == "1m30s behind this machine's\n");
  s.clock_ahead = Millis(1500);
  s.clock_error = 2s;
  CHECK(of(judge(s), "clock").level == Level::ok);
}

TEST_CASE("health: replicas count by what the target is and what locks ask for") {
  Inspection s = healthy();
  HealthLimits limits;
  limits.replicas = 2;
  CHECK(of(judge(s, Topology::single, limits), "replicas").level == Level::critical);
  s.info.erase("slave0");
  CHECK(of(judge(s), "replicas").level == Level::note);
  CHECK(of(judge(s, Topology::cluster), "replicas").level == Level::warning);
  CHECK(of(judge(s, Topology::sentinel), "replicas").level == Level::warning);
}

TEST_CASE("health: a replica is asked about its link alone") {
  Inspection s = healthy();
  s.info["role"] = "slave";
  s.info["aof_enabled"] = "0";
  s.info["master_link_status"] = "up";
  s.info["master_last_io_seconds_ago"] = "1";
  const auto well = judge(s, Topology::single, {}, true);
  CHECK(of(well, "replication").level == Level::ok);
  CHECK(!of(well, "persistence").level);
  s.info["master_link_status"] = "down";
  CHECK(of(judge(s, Topology::single, {}, true), "replication").level == Level::warning);
}

TEST_CASE("health: what may not be asked is a note; a server that cannot be asked is critical") {
  Inspection s = healthy();
  s.config.clear();
  s.config_refused = "no";
  CHECK(of(judge(s), "settings").level == Level::note);
  s.info_refused = "no";
  CHECK(of(judge(s), "info").level == Level::note);
  s.error = Error(ExitCode::unavailable, "unreachable", "it is gone", "start it");
  const auto findings = judge(s);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].level == Level::critical);
  CHECK(findings[0].remedy == "start it");
}

TEST_CASE("health: the report as text and for Nagios") {
  HealthReport report;
  report.target = "redis://db1:6379/0";
  report.origin = "DCOORD_URL";
  report.masters.push_back(healthy());
  report.lock = primitives::LockProbe{1ms, 500us, 700us};
  report.findings = {
      {Level::ok, "latency", "db1:6379", "a round trip takes 0.2ms to 0.9ms", ""},
      {Level::warning, "memory", "db1:6379", "95% of |maxmemory\x1b[31m", "raise it"},
      {Level::note, "version", "db1:6379", "redis 7.0.15", "update it"}};
  CHECK(health_text(report, false) ==
        "warning: redis://db1:6379/0 (DCOORD_URL)\n"
        "  warning   memory   95% of |maxmemory\\x1b[31m\n"
        "                     -> raise it\n"
        "  note      version  redis 7.0.15\n"
        "                     -> update it\n"
        "  ok        latency  a round trip takes 0.2ms to 0.9ms\n");
  CHECK(health_nagios(report, {}) ==
        "DCOORD WARNING - memory: 95% of /maxmemory\\x1b[31m |"
        " round_trip=0.000900s;0.500000;5.000000;0 acquire=0.001000s;0.500000;5.000000;0"
        " renew=0.000500s;0.500000;5.000000;0 release=0.000700s;0.500000;5.000000;0\n"
        "warning memory: 95% of /maxmemory\\x1b[31m -> raise it\n");
  report.findings.clear();
  CHECK(report.worst() == Level::ok);
}

TEST_CASE("health: the commands it asks for are those of the scripts") {
  const auto commands = primitives::script_commands();
  for (const char* name : {"HMGET", "HSET", "TIME", "RPUSH", "XADD"}) {
    CHECK(std::find(commands.begin(), commands.end(), name) != commands.end());
  }
  for (const auto& name : commands)
    CHECK(name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos);
}
