#include "output/job_graph.h"

#include <fmt/format.h>

#include "base/log.h"

namespace dcoord::output {
namespace {

using primitives::JobDependency;
using primitives::JobState;
using primitives::JobView;
using primitives::JobWant;

const char* want_word(JobWant want) {
  return want == JobWant::success ? "success" : want == JobWant::end ? "end" : "failure";
}

std::string edge_text(const JobDependency& edge) {
  const char* const wanted = edge.want == JobWant::success ? ""
                             : edge.want == JobWant::end   ? " (any end)"
                                                           : " (failure)";
  return edge.name + wanted;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? "\\n" : std::string(1, c);
  }
  return out + "\"";
}

}  // namespace

std::string job_state_text(const JobView& job) {
  return job.state == JobState::running && job.lost ? "lost" : job_state_word(job.state);
}

JobGraph::JobGraph(const std::vector<JobView>& jobs) {
  for (const auto& job : jobs) {
    jobs_[job.name] = &job;
    names_.insert(job.name);
    for (const auto& edge : job.after) {
      names_.insert(edge.name);
      dependents_[edge.name].push_back(job.name);
    }
  }
}

std::string JobGraph::tree() const {
  std::string out;
  std::set<std::string> shown;
  for (const auto& name : names_) {
    const auto found = jobs_.find(name);
    if (found == jobs_.end() || found->second->after.empty()) branch(name, 0, shown, out);
  }
  return out;
}

std::string JobGraph::dot() const {
  std::string out = "digraph run {\n  rankdir=LR;\n";
  for (const auto& name : names_)
    out += fmt::format("  {} [label={}];\n", quoted(name), quoted(name + "\n" + state_of(name)));
  for (const auto& [name, job] : jobs_) {
    for (const auto& edge : job->after) {
      const char* style = edge.want == JobWant::failure ? " [style=dashed]"
                          : edge.want == JobWant::end   ? " [style=dotted]"
                                                        : "";
      out += fmt::format("  {} -> {}{};\n", quoted(edge.name), quoted(name), style);
    }
  }
  return out + "}\n";
}

std::string JobGraph::mermaid() const {
  std::map<std::string, size_t> ids;
  std::string out = "graph LR\n";
  for (const auto& name : names_) {
    ids.emplace(name, ids.size());
    std::string label = log::printable(name);
    for (size_t at = 0; (at = label.find('"', at)) != std::string::npos; at += 6)
      label.replace(at, 1, "&quot;");
    out += fmt::format("  j{}[\"{}: {}\"]\n", ids[name], label, state_of(name));
  }
  for (const auto& [name, job] : jobs_) {
    for (const auto& edge : job->after) {
      out += fmt::format("  j{} {} j{}\n", ids[edge.name],
                         edge.want == JobWant::success ? "-->" : "-.->", ids[name]);
    }
  }
  return out;
}

Record JobGraph::record(const std::string& run) const {
  std::vector<Record> jobs;
  for (const auto& name : names_) {
    const auto found = jobs_.find(name);
    std::vector<Record> after;
    if (found != jobs_.end()) {
      for (const auto& edge : found->second->after) {
        Record one;
        after.push_back(one.add("name", edge.name).add("want", want_word(edge.want)));
      }
    }
    Record job;
    job.add("name", name).add("state", state_of(name)).add_list("after", std::move(after));
    jobs.push_back(std::move(job));
  }
  Record record;
  return record.add("run", run).add_list("jobs", std::move(jobs));
}

std::string JobGraph::awaited(const JobView& job) const {
  if (job.state != JobState::waiting) return "";
  std::string text;
  for (const auto& edge : job.after) {
    const auto found = jobs_.find(edge.name);
    const bool pending = found == jobs_.end() || found->second->state == JobState::waiting ||
                         found->second->state == JobState::running;
    if (pending) text += (text.empty() ? "" : ", ") + edge_text(edge);
  }
  return text;
}

std::string JobGraph::after(const JobView& job) {
  std::string text;
  for (const auto& edge : job.after) text += (text.empty() ? "" : ", ") + edge_text(edge);
  return text;
}

std::string JobGraph::state_of(const std::string& name) const {
  const auto found = jobs_.find(name);
  return found == jobs_.end() ? "not announced" : job_state_text(*found->second);
}

void JobGraph::branch(const std::string& name, size_t depth, std::set<std::string>& shown,
                      std::string& out) const {
  const auto below = dependents_.find(name);
  const bool again = !shown.insert(name).second && below != dependents_.end();
  out += fmt::format("{}{}  {}{}\n", std::string(depth * 2, ' '), log::printable(name),
                     state_of(name), again ? " (see above)" : "");
  if (again || below == dependents_.end()) return;
  for (const auto& next : below->second) branch(next, depth + 1, shown, out);
}

}  // namespace dcoord::output
