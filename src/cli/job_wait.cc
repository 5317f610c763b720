#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/job_options.h"
#include "cli/job_verbs.h"
#include "cli/waiting.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

struct WaitOptions {
  std::string names;
  RunOption run;
  std::optional<Duration> wait;
  Duration lost_after{};
};

Task<int> wait_for_jobs(Context& context, JobRun& jobs, const WaitOptions& o,
                        std::vector<std::string> names) {
  Loop& loop = context.loop();
  const Config& config = context.config();
  const TimePoint until = add(loop.now(), o.wait.value_or(kForever));
  std::optional<JobWaiting> latest;
  const std::string what = fmt::format("jobs of run '{}'", jobs.run());
  WaitingLine line(loop, config, what, [&latest](bool) {
    return latest ? describe_waiting(*latest) : std::string(": no answer from Redis yet");
  });
  std::function<void(const JobWaiting&)> on_wait = [&latest](const JobWaiting& waiting) {
    latest = waiting;
  };
  const redis::Patience first = context.patience(config.connect_timeout + config.command_timeout);
  Task<JobsAnswer> waiting = jobs.wait(request_token(""), std::move(names), o.lost_after, until,
                                       first, std::move(on_wait));
  const JobsAnswer answer = co_await waiting;
  if (std::holds_alternative<JobsDone>(answer)) co_return to_int(ExitCode::ok);
  if (const auto* ended = std::get_if<JobDependencyEnded>(&answer)) {
    throw Error(
        ExitCode::dependency, "dependency",
        fmt::format("job '{}' of run '{}' {}", ended->name, jobs.run(), describe_end(*ended)));
  }
  throw Error(ExitCode::timed_out, "timed_out",
              fmt::format("not all jobs of run '{}' have ended in time{}", jobs.run(),
                          describe_waiting(std::get<JobWaiting>(answer))));
}

}  // namespace

std::string describe_end(const JobDependencyEnded& ended) {
  if (ended.state == JobState::running) return "is lost: the lease of its host has ended";
  if (ended.state == JobState::failed) return fmt::format("failed with {}", ended.code);
  return job_state_word(ended.state);
}

std::string describe_waiting(const JobWaiting& waiting) {
  static constexpr size_t kShown = 5;
  const auto list = [](const std::vector<std::string>& names) {
    std::string text;
    for (size_t i = 0; i < std::min(names.size(), kShown); ++i)
      text += (i == 0 ? "" : ", ") + log::printable(names[i]);
    if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
    return text;
  };
  std::string text = ": after " + list(waiting.pending);
  if (!waiting.unknown.empty())
    text += fmt::format(" (nobody has announced {})", list(waiting.unknown));
  return text;
}

Verb job_wait_verb() {
  auto o = std::make_shared<WaitOptions>();
  Verb verb;
  verb.name = "wait";
  verb.summary = "wait until jobs have succeeded; 76 as soon as one has failed";
  verb.usage = "NAME[,NAME...] --run ID [-w DUR]";
  verb.examples = {"dcoord job wait build,test --run \"$CI_PIPELINE_ID\" -w 1h"};
  verb.declare = [o](OptionSet& set) {
    set.positional("NAMES", "jobs", o->names, "names of the jobs, with commas between");
    o->run.declare(set);
    set.duration("-w,--wait", o->wait, "wait at most so long, then exit 124; without it, for ever");
    set.duration("--lost-after", o->lost_after,
                 "how long after the end of its lease a running job counts as lost");
  };
  verb.run = [o](Context& context) {
    auto names = split_names(o->names, "NAMES");
    if (o->lost_after == kForever) throw usage_error("--lost-after must end some time");
    const Keys keys(context.config().key_namespace);
    JobRun jobs(context.loop(), context.scripts(), keys, o->run.name());
    return context.loop().run(wait_for_jobs(context, jobs, *o, std::move(names)));
  };
  return verb;
}

}  // namespace dcoord::cli
