#include <fmt/format.h>

#include <map>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/job_options.h"
#include "cli/job_verbs.h"
#include "cli/lock_options.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

struct MarkOptions {
  std::string name, state, request_id;
  RunOption run;
  Duration keep = std::chrono::hours(24 * 7);
};

Task<int> mark(Context& context, const MarkOptions& o, JobState state) {
  check_name(o.name, "job name");
  if (o.keep == kForever) throw usage_error("--keep must end some time");
  const Keys keys(context.config().key_namespace);
  JobRun jobs(context.loop(), context.scripts(), keys, o.run.name());
  Task<JobRun::Marked> marking =
      jobs.mark(o.name, state, this_process(owner_id(), "", ""), o.keep, context.patience());
  const JobRun::Marked result = co_await marking;
  if (result.what == JobRun::Marked::What::running) {
    throw Error(ExitCode::refused, "running",
                fmt::format("job '{}' of run '{}' is run by {}", o.name, jobs.run(),
                            describe_holder(result.who, std::nullopt)),
                "stop it first, or wait for the end of its lease");
  }
  co_return to_int(result.what == JobRun::Marked::What::absent ? ExitCode::no : ExitCode::ok);
}

void declare_mark(MarkOptions& o, OptionSet& set) {
  o.run.declare(set);
  set.text("--request-id", "ID", o.request_id, "accepted everywhere; asking again is always safe")
      .from_environment = false;
}

}  // namespace

Verb job_mark_verb() {
  auto o = std::make_shared<MarkOptions>();
  Verb verb;
  verb.name = "mark";
  verb.summary = "set the outcome of a job that nobody runs";
  verb.usage = "NAME succeeded|failed|skipped --run ID";
  verb.examples = {"dcoord job mark deploy skipped --run 4711"};
  verb.declare = [o](OptionSet& set) {
    set.positional("NAME", "job", o->name, "name of the job");
    set.positional("STATE", "", o->state, "its outcome").choices = {"succeeded", "failed",
                                                                    "skipped"};
    declare_mark(*o, set);
    set.duration("--keep", o->keep, "how long the run is remembered after its latest change");
  };
  batchable(verb, [o](Context& context) {
    const std::map<std::string, JobState> states{{"succeeded", JobState::succeeded},
                                                 {"failed", JobState::failed},
                                                 {"skipped", JobState::skipped}};
    const auto state = states.find(o->state);
    if (state == states.end()) {
      throw usage_error(
          fmt::format("STATE is succeeded, failed or skipped, not '{}'", log::printable(o->state)));
    }
    return mark(context, *o, state->second);
  });
  return verb;
}

Verb job_reset_verb() {
  auto o = std::make_shared<MarkOptions>();
  Verb verb;
  verb.name = "reset";
  verb.summary = "forget a job that nobody runs: it may be run again";
  verb.usage = "NAME --run ID";
  verb.examples = {"dcoord job reset deploy --run 4711"};
  verb.declare = [o](OptionSet& set) {
    set.positional("NAME", "job", o->name, "name of the job");
    declare_mark(*o, set);
  };
  batchable(verb, [o](Context& context) { return mark(context, *o, JobState::unknown); });
  return verb;
}

}  // namespace dcoord::cli
