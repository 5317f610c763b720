#include <fmt/format.h>

#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "cli/context.h"
#include "cli/job_options.h"
#include "cli/job_verbs.h"
#include "cli/nouns.h"
#include "output/job_graph.h"
#include "output/printers.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using output::Record;

/// How long it runs or ran; zero for one that has not begun.
Duration length_of(const JobView& job) {
  if (job.started == Millis(0)) return Duration::zero();
  return (job.state == JobState::running ? job.server_time : job.ended) - job.started;
}

Record to_record(const JobView& job, const output::JobGraph& graph) {
  Record record;
  record.add("run", job.run).add("name", job.name).add("state", output::job_state_text(job));
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
      .add("waits_for", graph.awaited(job));
  return record;
}

Task<std::vector<JobView>> jobs_of(Context& context, std::string run, std::string name) {
  const Keys keys(context.config().key_namespace);
  JobRun jobs(context.loop(), context.scripts(), keys, std::move(run));
  Task<std::vector<JobView>> showing = jobs.show(std::move(name), context.patience());
  co_return co_await showing;
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
  batchable(verb, [o](Context& context) -> Task<int> {
    check_name(o->name, "job name");
    Task<std::vector<JobView>> asking = jobs_of(context, o->run.name(), o->name);
    const std::vector<JobView> found = co_await asking;
    if (found.empty()) co_return to_int(ExitCode::no);
    std::vector<JobView> all = found;
    if (found[0].state == JobState::waiting) {  // what it still waits for, the others tell
      asking = jobs_of(context, o->run.name(), "");
      all = co_await asking;
    }
    const JobView& job = found[0];
    Record record = to_record(job, output::JobGraph(all));
    record.add("after", output::JobGraph::after(job))
        .add("command", job.who.command)
        .add("user", job.who.user);
    if (!job.culprit.empty()) record.add("ended_with", job.culprit);
    context.printer().print(record);
    co_return to_int(ExitCode::ok);
  });
  verb.several_steps = always;
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
  batchable(verb, [o](Context& context) -> Task<int> {
    std::vector<std::string> runs;
    if (o->given()) {
      runs.push_back(o->name());
    } else {
      const Keys keys(context.config().key_namespace);
      Task<std::vector<std::string>> listing =
          list_job_runs(context.scripts(), keys, context.patience());
      runs = co_await listing;
    }
    std::vector<Record> records;
    for (const auto& run : runs) {
      Task<std::vector<JobView>> asking = jobs_of(context, run, "");
      const std::vector<JobView> jobs = co_await asking;
      const output::JobGraph graph(jobs);
      for (const auto& job : jobs) records.push_back(to_record(job, graph));
    }
    context.printer().print(records);
    co_return to_int(ExitCode::ok);
  });
  verb.several_steps = always;
  return verb;
}

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
                   "dcoord job graph --run 4711 --as dot | dot -Tsvg",
                   "dcoord job graph --run 4711 --json"};
  verb.declare = [o](OptionSet& set) {
    o->run.declare(set);
    set.choice("--as", "FORM", o->as, {"tree", "dot", "mermaid"}, "in which form");
  };
  batchable(verb, [o](Context& context) -> Task<int> {
    const bool json = context.json();
    if (json && o->as != "tree") throw usage_error("--json and --as contradict each other");
    const std::string run = o->run.name();
    Task<std::vector<JobView>> asking = jobs_of(context, run, "");
    const std::vector<JobView> jobs = co_await asking;
    const output::JobGraph graph(jobs);
    if (json)
      context.printer().print(graph.record(run));
    else
      output::write_out(o->as == "dot"       ? graph.dot()
                        : o->as == "mermaid" ? graph.mermaid()
                                             : graph.tree());
    co_return to_int(jobs.empty() ? ExitCode::no : ExitCode::ok);
  });
  verb.several_steps = always;
  return verb;
}

}  // namespace

Noun job_noun() {
  Noun noun;
  noun.name = "job";
  noun.summary = "run commands after each other on any hosts, each once in a run";
  noun.examples = {"dcoord job run build --run 4711 -- make",
                   "dcoord job run test --run 4711 --after build -- make test",
                   "dcoord job run backup --run \"$(date +%F)\" -- ./backup.sh"};
  noun.verbs = {job_run_verb(), job_wait_verb(), show_verb(),     list_verb(),
                graph_verb(),   job_mark_verb(), job_reset_verb()};
  return noun;
}

}  // namespace dcoord::cli
