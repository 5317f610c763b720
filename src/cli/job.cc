#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/graph_text.h"
#include "cli/held.h"
#include "cli/job_verbs.h"
#include "cli/lock_options.h"
#include "cli/nouns.h"
#include "output/printers.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using output::Record;

const char* want_word(JobWant want) {
  return want == JobWant::success ? "" : want == JobWant::end ? " (any end)" : " (failure)";
}

std::string after_text(const JobView& job) {
  std::string text;
  for (const auto& edge : job.after)
    text += (text.empty() ? "" : ", ") + edge.name + want_word(edge.want);
  return text;
}

std::string state_text(const JobView& job) {
  return job.state == JobState::running && job.lost ? "lost" : job_state_word(job.state);
}

/// How long it runs or ran; zero for one that has not begun.
Duration length_of(const JobView& job) {
  if (job.started == Millis(0)) return Duration::zero();
  return (job.state == JobState::running ? job.server_time : job.ended) - job.started;
}

Record to_record(const JobView& job) {
  Record record;
  record.add("run", job.run).add("name", job.name).add("state", state_text(job));
  const bool ended = job.state == JobState::succeeded || job.state == JobState::failed;
  if (ended)
    record.add("code", static_cast<long long>(job.code));
  else
    record.add_null("code");
  record.add("host", job.who.host).add("pid", static_cast<long long>(job.who.pid));
  if (job.started == Millis(0))
    record.add_null("started");
  else
    record.add_time("started", job.started);
  record.add("duration_ms", to_ms(length_of(job)))
      .add("attempts", static_cast<long long>(job.attempts))
      .add("after", after_text(job));
  return record;
}

std::vector<JobView> jobs_of(Context& context, const std::string& run, const std::string& name) {
  const Keys keys(context.config().key_namespace);
  JobRun jobs(context.loop(), context.scripts(), keys, run);
  return context.loop().run(jobs.show(name, context.patience()));
}

Verb show_verb() {
  struct Options {
    std::string name;
    RunOption run;
  };
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "show";
  verb.summary = "what is known of a job; exit 1 if nothing is";
  verb.usage = "NAME --run ID";
  verb.examples = {"dcoord job show test --run 4711"};
  verb.declare = [o](OptionSet& set) {
    set.positional("NAME", "job", o->name, "name of the job");
    o->run.declare(set);
  };
  verb.run = [o](Context& context) {
    check_name(o->name, "job name");
    const auto found = jobs_of(context, o->run.name(), o->name);
    if (found.empty()) return to_int(ExitCode::no);
    Record record = to_record(found[0]);
    record.add("command", found[0].who.command).add("user", found[0].who.user);
    if (!found[0].culprit.empty()) record.add("ended_with", found[0].culprit);
    context.printer().print(record);
    return to_int(ExitCode::ok);
  };
  return verb;
}

Verb list_verb() {
  auto o = std::make_shared<RunOption>();
  Verb verb;
  verb.name = "list";
  verb.summary = "the jobs of a run, or of all runs";
  verb.usage = "[--run ID]";
  verb.examples = {"dcoord job list --run 4711", "dcoord job list --json"};
  verb.declare = [o](OptionSet& set) { o->declare(set); };
  verb.run = [o](Context& context) {
    std::vector<std::string> runs;
    if (o->run || std::getenv("DCOORD_RUN") != nullptr) {
      runs.push_back(o->name());
    } else {
      const Keys keys(context.config().key_namespace);
      runs = context.loop().run(list_job_runs(context.scripts(), keys, context.patience()));
    }
    std::vector<Record> records;
    for (const auto& run : runs) {
      for (const auto& job : jobs_of(context, run, "")) records.push_back(to_record(job));
    }
    context.printer().print(records);
    return to_int(ExitCode::ok);
  };
  return verb;
}

/// The jobs of a run as a graph: each with those that it waits for.
class Graph {
 public:
  explicit Graph(const std::vector<JobView>& jobs) {
    for (const auto& job : jobs) {
      jobs_[job.name] = &job;
      names_.insert(job.name);
      for (const auto& edge : job.after) {
        names_.insert(edge.name);
        dependents_[edge.name].push_back(job.name);
      }
    }
  }

  /// From the jobs that depend on nothing downwards; one that was shown is not shown again.
  std::string tree() {
    std::string out;
    for (const auto& name : names_) {
      const auto found = jobs_.find(name);
      if (found == jobs_.end() || found->second->after.empty()) branch(name, 0, out);
    }
    return out;
  }

  std::string dot() const {
    std::string out = "digraph run {\n  rankdir=LR;\n";
    for (const auto& name : names_) {
      out += fmt::format("  {} [label={}];\n", dot_quoted(name),
                         dot_quoted(name + "\n" + state_of(name)));
    }
    for (const auto& [name, job] : jobs_) {
      for (const auto& edge : job->after) {
        const char* style = edge.want == JobWant::failure ? " [style=dashed]"
                            : edge.want == JobWant::end   ? " [style=dotted]"
                                                          : "";
        out += fmt::format("  {} -> {}{};\n", dot_quoted(edge.name), dot_quoted(name), style);
      }
    }
    return out + "}\n";
  }

  std::string mermaid() const {
    std::map<std::string, size_t> ids;
    std::string out = "graph LR\n";
    for (const auto& name : names_) {
      ids.emplace(name, ids.size());
      out += fmt::format("  j{}[\"{}: {}\"]\n", ids[name], mermaid_label(name), state_of(name));
    }
    for (const auto& [name, job] : jobs_) {
      for (const auto& edge : job->after) {
        out += fmt::format("  j{} {} j{}\n", ids[edge.name],
                           edge.want == JobWant::success ? "-->" : "-.->", ids[name]);
      }
    }
    return out;
  }

 private:
  std::string state_of(const std::string& name) const {
    const auto found = jobs_.find(name);
    return found == jobs_.end() ? "not announced" : state_text(*found->second);
  }
  void branch(const std::string& name, size_t depth, std::string& out) {
    const bool again = !shown_.insert(name).second;
    out += fmt::format("{}{}  {}{}\n", std::string(depth * 2, ' '), log::printable(name),
                       state_of(name), again ? " (see above)" : "");
    if (again) return;
    for (const auto& next : dependents_[name]) branch(next, depth + 1, out);
  }

  std::map<std::string, const JobView*> jobs_;
  std::set<std::string> names_, shown_;
  std::map<std::string, std::vector<std::string>> dependents_;
};

Verb graph_verb() {
  struct Options {
    RunOption run;
    std::string as = "tree";
  };
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "graph";
  verb.summary = "the run as a tree, or for Graphviz or Mermaid";
  verb.usage = "--run ID [--as tree|dot|mermaid]";
  verb.examples = {"dcoord job graph --run 4711",
                   "dcoord job graph --run 4711 --as dot | dot -Tsvg"};
  verb.declare = [o](OptionSet& set) {
    o->run.declare(set);
    set.choice("--as", "FORM", o->as, {"tree", "dot", "mermaid"}, "in which form");
  };
  verb.run = [o](Context& context) {
    const auto jobs = jobs_of(context, o->run.name(), "");
    Graph graph(jobs);
    output::write_out(o->as == "dot"       ? graph.dot()
                      : o->as == "mermaid" ? graph.mermaid()
                                           : graph.tree());
    return to_int(jobs.empty() ? ExitCode::no : ExitCode::ok);
  };
  return verb;
}

struct MarkOptions {
  std::string name, state, request_id;
  RunOption run;
  Duration keep = std::chrono::hours(24 * 7);
};

int mark(Context& context, const MarkOptions& o, JobState state) {
  check_name(o.name, "job name");
  if (o.keep == kForever) throw usage_error("--keep must end some time");
  const Keys keys(context.config().key_namespace);
  JobRun jobs(context.loop(), context.scripts(), keys, o.run.name());
  const auto result = context.loop().run(
      jobs.mark(o.name, state, this_process(owner_id(), "", ""), o.keep, context.patience()));
  if (result.what == JobRun::Marked::What::running) {
    throw Error(ExitCode::refused, "running",
                fmt::format("job '{}' of run '{}' is run by {}", o.name, jobs.run(),
                            describe_holder(result.who, std::nullopt)),
                "stop it first, or wait for the end of its lease");
  }
  return to_int(result.what == JobRun::Marked::What::absent ? ExitCode::no : ExitCode::ok);
}

void declare_mark(MarkOptions& o, OptionSet& set) {
  o.run.declare(set);
  set.text("--request-id", "ID", o.request_id, "accepted everywhere; asking again is always safe")
      .from_environment = false;
}

Verb mark_verb() {
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
  verb.run = [o](Context& context) {
    const std::map<std::string, JobState> states{{"succeeded", JobState::succeeded},
                                                 {"failed", JobState::failed},
                                                 {"skipped", JobState::skipped}};
    const auto state = states.find(o->state);
    if (state == states.end()) {
      throw usage_error(
          fmt::format("STATE is succeeded, failed or skipped, not '{}'", log::printable(o->state)));
    }
    return mark(context, *o, state->second);
  };
  return verb;
}

Verb reset_verb() {
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
  verb.run = [o](Context& context) { return mark(context, *o, JobState::unknown); };
  return verb;
}

}  // namespace

void RunOption::declare(OptionSet& set) {
  auto& option = set.text(
      "--run", "ID", run,
      "the run, what belongs together, such as a CI pipeline; else the variable DCOORD_RUN");
  option.kind = "run";
  option.from_environment = false;
}

std::string RunOption::name() const {
  const char* const variable = std::getenv("DCOORD_RUN");
  if (!run && (variable == nullptr || *variable == '\0')) {
    throw usage_error("no run: --run, or DCOORD_RUN, says which jobs belong together",
                      "a default would silently skip tomorrow's job: give the pipeline's id, or "
                      "--run \"$(date +%F)\"");
  }
  const std::string name = run.value_or(variable == nullptr ? "" : variable);
  check_name(name, run ? "--run" : "DCOORD_RUN");
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

Noun job_noun() {
  Noun noun;
  noun.name = "job";
  noun.summary = "run commands after each other on any hosts, each once in a run";
  noun.examples = {"dcoord job run build --run 4711 -- make",
                   "dcoord job run test --run 4711 --after build -- make test",
                   "dcoord job run backup --run \"$(date +%F)\" -- ./backup.sh"};
  noun.verbs = {job_run_verb(), job_wait_verb(), show_verb(), list_verb(),
                graph_verb(),   mark_verb(),     reset_verb()};
  return noun;
}

}  // namespace dcoord::cli
