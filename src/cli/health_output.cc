#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "cli/health.h"
#include "output/table.h"
#include "redis/session_errors.h"

namespace dcoord::cli {
namespace {

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

/// The worst first; else in the order in which they were found.
std::vector<Finding> ranked(const HealthReport& report) {
  std::vector<Finding> findings = report.findings;
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.level > b.level; });
  return findings;
}

std::string about(const HealthReport& report, const Finding& finding) {
  // With one server there is nothing to tell apart.
  const bool several = report.masters.size() + report.replicas.size() > 1;
  return finding.server.empty() || !several ? "" : finding.server + ": ";
}

std::string painted(const std::string& text, Level level, bool color) {
  const char* const code = level == Level::critical  ? "1;31"
                           : level == Level::warning ? "33"
                           : level == Level::note    ? "36"
                                                     : "32";
  return color ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

/// For Nagios: no line ends, and no bar, which begins the performance data.
std::string one_line(const std::string& text) {
  std::string out = log::printable(text);
  std::replace(out.begin(), out.end(), '|', '/');
  return out;
}

}  // namespace

const char* level_word(Level level) {
  switch (level) {
    case Level::ok:
      return "ok";
    case Level::note:
      return "note";
    case Level::warning:
      return "warning";
    case Level::critical:
      return "critical";
  }
  return "";
}

Level HealthReport::worst() const {
  Level worst = Level::ok;
  for (const Finding& finding : findings) worst = std::max(worst, finding.level);
  return worst == Level::note ? Level::ok : worst;
}

std::string short_time(Duration d) {
  const double ms = seconds(d) * 1000;
  if (ms < 10) return fmt::format("{:.1f}ms", ms);
  return ms < 1000 ? fmt::format("{:.0f}ms", ms) : fmt::format("{:.1f}s", ms / 1000);
}

std::string health_text(const HealthReport& report, bool color) {
  std::string out =
      fmt::format("{}: {} ({})\n", painted(level_word(report.worst()), report.worst(), color),
                  log::printable(report.target), log::printable(report.origin));
  size_t width = 0;
  for (const Finding& finding : report.findings) width = std::max(width, finding.check.size());
  for (const Finding& finding : ranked(report)) {
    out += fmt::format("  {}{:{}}{:{}}  {}{}\n",
                       painted(level_word(finding.level), finding.level, color), "",
                       10 - std::string_view(level_word(finding.level)).size(), finding.check,
                       width, log::printable(about(report, finding)), log::printable(finding.text));
    if (!finding.remedy.empty() && finding.level != Level::ok)
      out += fmt::format("{:{}}-> {}\n", "", 12 + width + 2, log::printable(finding.remedy));
  }
  return out;
}

std::string health_nagios(const HealthReport& report, const HealthLimits& limits) {
  const Level worst = report.worst();
  const char* const word = worst == Level::critical  ? "CRITICAL"
                           : worst == Level::warning ? "WARNING"
                                                     : "OK";
  std::string summary, lines;
  for (const Finding& finding : ranked(report)) {
    if (finding.level < Level::warning) continue;
    const std::string text = finding.check + ": " + about(report, finding) + finding.text;
    summary += (summary.empty() ? "" : "; ") + one_line(text);
    lines += fmt::format("{} {}{}{}\n", level_word(finding.level), one_line(text),
                         finding.remedy.empty() ? "" : " -> ", one_line(finding.remedy));
  }
  if (summary.empty()) {
    summary = fmt::format("{} answers, a lock was taken and released", one_line(report.target));
  }
  std::string data;
  const auto add = [&](const char* label, double value, double warn, double critical) {
    data += fmt::format(" {}={:.6f}s;{:.6f};{:.6f};0", label, value, warn, critical);
  };
  const double warn = seconds(limits.ttl) / 60, critical = seconds(limits.ttl) / 6;
  Duration slowest{};
  for (const auto& master : report.masters) slowest = std::max(slowest, master.slowest);
  if (slowest > Duration::zero()) add("round_trip", seconds(slowest), warn, critical);
  if (report.lock) {
    add("acquire", seconds(report.lock->acquire), warn, critical);
    add("renew", seconds(report.lock->renew), warn, critical);
    add("release", seconds(report.lock->release), warn, critical);
  }
  if (report.hand_over) add("hand_over", seconds(*report.hand_over), warn, critical);
  return fmt::format("DCOORD {} - {}{}{}\n{}", word, summary, data.empty() ? "" : " |", data,
                     lines);
}

std::vector<output::Record> health_rows(const HealthReport& report) {
  std::vector<output::Record> rows;
  for (const Finding& finding : ranked(report)) {
    output::Record row;
    row.add("status", level_word(finding.level))
        .add("check", finding.check)
        .add("server", finding.server)
        .add("finding", finding.text)
        .add("remedy", finding.remedy);
    rows.push_back(std::move(row));
  }
  return rows;
}

output::Record health_record(const HealthReport& report) {
  const auto us = [](Duration d) -> long long {
    return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
  };
  output::Record record;
  record.add("status", level_word(report.worst()))
      .add("target", report.target)
      .add("origin", report.origin);
  if (report.lock) {
    record.add("acquire_us", us(report.lock->acquire))
        .add("renew_us", us(report.lock->renew))
        .add("release_us", us(report.lock->release));
  }
  if (report.hand_over) record.add("hand_over_us", us(*report.hand_over));
  std::vector<output::Record> servers;
  for (const auto* list : {&report.masters, &report.replicas}) {
    for (const auto& one : *list) {
      const bool valkey = !one.get("valkey_version").empty();
      output::Record server;
      server.add("address", redis::endpoint(one.server))
          .add("role", list == &report.masters ? "master" : "replica")
          .add_bool("reached", !one.error);
      if (!one.error) {
        server.add("software", valkey ? "valkey" : "redis")
            .add("version", std::string(one.get(valkey ? "valkey_version" : "redis_version")))
            .add("fastest_us", us(one.fastest))
            .add("slowest_us", us(one.slowest))
            .add("clock_ahead_ms", static_cast<long long>(one.clock_ahead.count()))
            .add("replicas", one.number("connected_slaves"))
            .add("clients", one.number("connected_clients"))
            .add("used_memory_bytes", one.number("used_memory"));
      }
      servers.push_back(std::move(server));
    }
  }
  record.add_list("servers", std::move(servers)).add_list("findings", health_rows(report));
  return record;
}

}  // namespace dcoord::cli
