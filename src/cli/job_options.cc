#include "cli/job_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "cli/held.h"
#include "cli/within.h"

namespace dcoord::cli {

using namespace primitives;
using namespace std::chrono_literals;

void RunOption::declare(OptionSet& set) {
  set.custom("--run", "ID",
             "the run, what belongs together, such as a CI pipeline; else the variable DCOORD_RUN",
             [this](std::string_view text, const Origin& from) {
               run = text;
               origin = from;
             })
      .kind = "run";
}

bool RunOption::given() const {
  const char* const variable = std::getenv("DCOORD_RUN");
  return run || (variable != nullptr && *variable != '\0');
}

std::string RunOption::name() const {
  if (!given()) {
    throw usage_error("no run: --run, or DCOORD_RUN, says which jobs belong together",
                      "a default would silently skip tomorrow's job: give the pipeline's id, or "
                      "--run \"$(date +%F)\"");
  }
  const std::string name = run ? *run : std::getenv("DCOORD_RUN");
  check_name(name, run ? origin.where : "DCOORD_RUN");
  return name;
}

std::vector<std::string> split_names(const std::string& text, const char* flag) {
  std::vector<std::string> names;
  if (text.empty()) return names;
  size_t from = 0;
  while (from <= text.size()) {
    const size_t end = std::min(text.find(',', from), text.size());
    names.push_back(text.substr(from, end - from));
    check_name(names.back(), fmt::format("job name in {}", flag));
    from = end + 1;
  }
  return names;
}

void JobOptions::declare(OptionSet& set) {
  set.positional("NAME", "job", name, "name of the job");
  run.declare(set);
  set.text("--after", "A,B,...", after, "run when these jobs of the run have succeeded").kind =
      "jobs";
  set.text("--after-any", "A,B,...", after_any, "run when these have ended, however").kind = "jobs";
  set.text("--after-failure", "A,B,...", after_failure, "run when these have failed").kind = "jobs";
  set.choice("--on-dependency-failure", "WHAT", on_dependency_failure, {"fail", "skip", "run"},
             "when one comes to another end than wanted: fail (76), skip (0), or run all the same");
  set.duration("-w,--wait", wait, "wait at most so long, then exit 124; without it, for ever");
  set.duration("--lost-after", lost_after,
               "how long after the end of its lease a running job that this one depends on counts "
               "as lost; until then another host may run it again");
  set.duration("--once-per", once_per,
               "succeed once in each such window of the server's clock (UTC), instead of in a run");
  set.flag("--join", join, "if it runs already: wait for it and return its exit code");
  set.integer("-E,--conflict-exit-code", "N", conflict_code, 0, 255,
              "exit code when it runs already");
  set.flag("--again", again, "run it though it has succeeded before");
  set.integer("--retry", "N", retry, 0, 1000000, "run a command that failed up to N times more");
  set.duration("--retry-delay", retry_delay, "pause before that");
  set.duration("--keep", keep, "how long the run is remembered after its latest change");
  set.text("--label", "TEXT", label, "shown to others instead of the command");
  set.text("--request-id", "ID", request_id,
           "identity of this request: run again with the same one, an unknown outcome is resolved")
      .from_environment = false;
  lease.declare(set);
  storage.declare(set);
  command.declare(set);
}

std::string JobOptions::run_name() const {
  if (!once_per) return run.name();
  if (run.run && run.origin.source == Origin::Source::flag)
    throw usage_error("--run and --once-per contradict each other");
  // A window is no run: what succeeded in the last one is known for as long as it is kept.
  return "once:" + name;
}

JobRequest JobOptions::request(const LeaseTimes& times, const std::string& shown) const {
  check_name(name, "job name");
  check_name(run_name(), "run");
  command.check();
  if (once_per && (*once_per < 1s || *once_per == kForever))
    throw usage_error("--once-per must be at least 1s and end some time");
  for (const auto& [flag, value] : {std::pair{"--lost-after", lost_after}, {"--keep", keep}}) {
    if (value == kForever) throw usage_error(fmt::format("{} must end some time", flag));
  }
  JobRequest r;
  r.token = request_token(request_id);
  r.name = name;
  const auto add_edges = [&](const std::string& names, const char* flag, JobWant want) {
    for (auto& other : split_names(names, flag)) {
      if (other == name)
        throw Error(ExitCode::data, "cycle",
                    fmt::format("{}: '{}' would wait for itself", flag, name));
      r.after.push_back({want, std::move(other)});
    }
  };
  add_edges(after, "--after", JobWant::success);
  add_edges(after_any, "--after-any", JobWant::end);
  add_edges(after_failure, "--after-failure", JobWant::failure);
  r.on_failure = on_dependency_failure == "run"    ? OnDependencyFailure::run
                 : on_dependency_failure == "skip" ? OnDependencyFailure::skip
                                                   : OnDependencyFailure::fail;
  r.again = again;
  r.ttl = times.ttl;
  r.once_per = once_per.value_or(Duration::zero());
  r.lost_after = lost_after;
  r.keep = std::max<Duration>(keep, once_per.value_or(Duration::zero()) * 2);
  r.who = this_process(owner_id(), shown, label);
  r.who.within = within();
  return r;
}

}  // namespace dcoord::cli
