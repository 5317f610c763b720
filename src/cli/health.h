#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "output/record.h"
#include "primitives/health.h"
#include "redis/inspect.h"

namespace dcoord::cli {

/// How bad a finding is; a note is worth knowing and nothing to be woken for.
enum class Level { ok, note, warning, critical };
const char* level_word(Level level);

struct Finding {
  Level level = Level::ok;
  std::string check;   ///< a stable word, which --ignore takes: "persistence"
  std::string server;  ///< the one it is about; "" for all of it
  std::string text;
  std::string remedy;  ///< what to do; "" when there is nothing to do
};

/// What findings are measured against.
struct HealthLimits {
  Duration ttl = std::chrono::seconds(30);  ///< the lease that the users of the servers take
  int replicas = 0;                         ///< their --replicas
};

struct HealthReport {
  std::string target, origin;
  std::vector<Finding> findings;
  std::vector<redis::Inspection> masters, replicas;
  std::optional<primitives::LockProbe> lock;  ///< the slowest of all masters
  std::optional<Duration> hand_over;

  Level worst() const;
};

// The rules: what facts mean. They know no connection. health_rules.cc

/// About one server that scripts run on (`replica` false) or a replica.
void judge_server(const redis::Inspection& server, bool replica, redis::Target::Topology topology,
                  const HealthLimits& limits, std::vector<Finding>& findings);
void judge_members(const redis::Members& members, const redis::Target& target,
                   std::vector<Finding>& findings);
void judge_commands(const std::vector<primitives::RefusedCommand>& refused,
                    const redis::Server& server, std::vector<Finding>& findings);
void judge_lock(const primitives::LockProbe& probe, const redis::Server& server,
                const HealthLimits& limits, std::vector<Finding>& findings);

/// Of the servers of which a majority counts, each examined alone: what is found of all together.
/// One that does not answer is a warning while there are enough others. health_quorum.cc
HealthReport judge_quorum(std::vector<HealthReport> reports);

// What is printed. health_output.cc

/// "0.4ms", "1.3s".
std::string short_time(Duration d);
std::string health_text(const HealthReport& report, bool color);
/// One line for Nagios and its kin, with performance data, then one a finding.
std::string health_nagios(const HealthReport& report, const HealthLimits& limits);
output::Record health_record(const HealthReport& report);
std::vector<output::Record> health_rows(const HealthReport& report);

}  // namespace dcoord::cli
