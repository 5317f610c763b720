#include "cli/breaker_options.h"

#include <fmt/format.h>

#include <array>

#include "base/duration.h"
#include "base/log.h"
#include "cli/lease_options.h"
#include "cli/lock_options.h"
#include "output/printer.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

constexpr Duration kLongest = 24h * 366;

struct Compared {
  const char* flag;
  std::optional<std::string> asked;
  std::string stored;
};

template <class T, class Format>
Compared compared(const char* flag, const std::optional<T>& asked, const T& stored, Format format) {
  return {flag, asked ? std::optional(format(*asked)) : std::nullopt, format(stored)};
}

/// In the order of BreakerWanted::given.
std::array<Compared, kBreakerSettings> settings_of(const BreakerOptions& o,
                                                   const BreakerSettings& stored) {
  const auto number = [](long long n) { return std::to_string(n); };
  const auto time = [](Duration d) { return format_duration(d); };
  return {compared("--failure-threshold", o.failures, stored.failures, number),
          compared("--failure-rate", o.rate, stored.rate, number),
          compared("--min-calls", o.min_calls, stored.min_calls, number),
          compared("--sampling-duration", o.window, stored.window, time),
          compared("--recovery-timeout", o.recovery, stored.recovery, time),
          compared("--recovery-max", o.longest_recovery, stored.longest_recovery, time),
          compared("--probes", o.probes, stored.probes, number),
          compared("--min-reporters", o.reporters, stored.reporters, number)};
}

void check_time(const std::optional<Duration>& given, const char* flag, Duration least) {
  if (!given || (*given >= least && *given <= kLongest)) return;
  throw usage_error(fmt::format("{} must be from {} to 366d, not {}", flag, format_duration(least),
                                format_duration(*given)));
}

std::string next_try(const BreakerView& view) {
  if (!view.next_try) {
    return fmt::format("until `dcoord breaker reset {}`", output::shell_quote(view.name));
  }
  return fmt::format("next try in {}", format_age(*view.next_try));
}

}  // namespace

void BreakerOptions::declare(OptionSet& set) {
  set.positional("NAME", "breaker", name, "name of the breaker");
  set.integer("--failure-threshold", "N", failures, 0, 1000000,
              "so many failures within the sampling duration open it: 5, or with --failure-rate "
              "alone none; 0: their number does not");
  set.integer("--failure-rate", "PCT", rate, 0, 100,
              "such a percentage of failures opens it, too; 0: it does not, the default");
  set.integer("--min-calls", "N", min_calls, 1, 1000000,
              "with --failure-rate: of so many calls at least; 10");
  set.duration("--sampling-duration", window, "what is older does not count any more; 5m");
  set.duration("--recovery-timeout", recovery,
               "how long it stays open before it is tried again; 1m");
  set.duration("--recovery-max", longest_recovery,
               "the recovery time-out doubles, up to this, each time it opens again without a "
               "rest; 8 times the recovery time-out");
  set.integer("--probes", "N", probes, 1, 100,
              "when it is tried again: so many calls at a time, all of which have to succeed; 1");
  set.integer("--min-reporters", "N", reporters, 1, 1000,
              "it opens only when so many different reporters had failures; 1");
  set.flag("--reconfigure", reconfigure,
           "change what is stored of these settings; else those of the first use count")
      .from_environment = false;
  set.choice("--if-unavailable", "WHAT", if_unavailable, {"run", "fail"},
             "when Redis cannot be reached: go on as if there was no breaker, or fail (69)");
}

BreakerWanted BreakerOptions::wanted() const {
  check_name(name, "breaker name");
  check_time(window, "--sampling-duration", 1s);
  check_time(recovery, "--recovery-timeout", 1ms);
  check_time(longest_recovery, "--recovery-max", 1ms);
  BreakerWanted w;
  w.reconfigure = reconfigure;
  BreakerSettings& s = w.settings;
  s.failures = failures.value_or(rate.value_or(0) > 0 ? 0 : s.failures);
  s.rate = rate.value_or(s.rate);
  s.min_calls = min_calls.value_or(s.min_calls);
  s.window = window.value_or(s.window);
  s.recovery = recovery.value_or(s.recovery);
  s.longest_recovery = longest_recovery.value_or(std::min(kLongest, s.recovery * 8));
  s.probes = probes.value_or(s.probes);
  s.reporters = reporters.value_or(s.reporters);
  if (recovery && longest_recovery && *longest_recovery < *recovery)
    throw usage_error("--recovery-max must not be less than --recovery-timeout");
  size_t at = 0;
  for (const auto& one : settings_of(*this, s)) w.given[at++] = one.asked ? '1' : '0';
  if (reconfigure && w.given.find('1') == std::string::npos)
    throw usage_error("--reconfigure needs the settings that shall change");
  return w;
}

void BreakerOptions::compare(const BreakerSettings& stored) const {
  std::string differing;
  for (const auto& one : settings_of(*this, stored)) {
    if (!one.asked || *one.asked == one.stored) continue;
    differing += fmt::format("{}{} {}, not {}", differing.empty() ? "" : "; ", one.flag, one.stored,
                             *one.asked);
  }
  if (differing.empty()) return;
  log::warning(
      fmt::format("breaker '{}' is in use with {}: what is stored counts", name, differing));
  log::hint("--reconfigure changes it");
}

bool BreakerOptions::goes_on_without(const Error& error) const {
  const bool away = error.code() == ExitCode::unavailable || error.code() == ExitCode::unknown;
  if (!away || if_unavailable != "run") return false;
  log::warning(fmt::format("going on without breaker '{}': {}", name, error.what()));
  return true;
}

void ReporterOption::declare(OptionSet& set) {
  set.text("--reporter", "ID", reporter, "whose failures these are, for --min-reporters; the host");
}

std::string ReporterOption::name() const {
  if (reporter.empty()) return this_process("", "", "").host;
  check_name(reporter, "--reporter");
  return reporter;
}

void PermitOption::declare(OptionSet& set) {
  set.duration("-t,--ttl", ttl, "a probe that has not ended by then makes room for another");
}

void PermitOption::check() const { check_ttl(ttl, "--ttl"); }

std::string describe_why(const BreakerView& view) {
  const std::string who = describe_holder(view.who, std::nullopt);
  switch (view.why) {
    case BreakerWhy::failures:
    case BreakerWhy::rate:
      return fmt::format("{} of {} calls within {} failed", view.failures, view.calls,
                         format_duration(view.settings.window));
    case BreakerWhy::probe_failed:
      return "a probe failed";
    case BreakerWhy::tripped:
      return "tripped by " + who;
    case BreakerWhy::held:
      return "held open by " + who;
    case BreakerWhy::recovered:
      return "probes succeeded";
    case BreakerWhy::reset:
      return "reset by " + who;
    case BreakerWhy::none:
      break;
  }
  return "";
}

Error breaker_refusal(const BreakerView& view, int code) {
  if (view.state == BreakerState::half_open) {
    return Error(
        static_cast<ExitCode>(code), "open",
        fmt::format("breaker '{}' is half-open and others probe it ({}); {}{}", view.name,
                    describe_why(view), next_try(view), view.next_try ? " at the latest" : ""));
  }
  return Error(static_cast<ExitCode>(code), "open",
               fmt::format("breaker '{}' has been open for {} ({}); {}", view.name,
                           format_age(view.age), describe_why(view), next_try(view)));
}

void tell_change(const BreakerRecorded& recorded) {
  if (!recorded.changed) return;
  const BreakerView& view = recorded.view;
  if (view.state == BreakerState::open) {
    log::warning(fmt::format("breaker '{}' is open now: {}; {}", view.name, describe_why(view),
                             next_try(view)));
  } else if (view.why == BreakerWhy::recovered) {
    log::note(1, fmt::format("breaker '{}' is closed again", view.name));
  }
}

}  // namespace dcoord::cli
