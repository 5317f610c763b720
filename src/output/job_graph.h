#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "output/record.h"
#include "primitives/job.h"

namespace dcoord::output {

/// "waiting", "running", "succeeded", "failed", "skipped", or "lost".
std::string job_state_text(const primitives::JobView& job);

/// The jobs of one run as a graph: each with those that it depends on. The views outlive it.
class JobGraph {
 public:
  explicit JobGraph(const std::vector<primitives::JobView>& jobs);

  /// From the jobs that depend on nothing downwards; what stands below one that was shown is not
  /// shown again.
  std::string tree() const;
  std::string dot() const;
  std::string mermaid() const;
  Record record(const std::string& run) const;

  /// What a waiting job still waits for, with what is wanted of it: "a, b (any end)"; "" for
  /// another one.
  std::string awaited(const primitives::JobView& job) const;
  /// All that it depends on, in the same form.
  static std::string after(const primitives::JobView& job);

 private:
  std::string state_of(const std::string& name) const;
  void branch(const std::string& name, size_t depth, std::set<std::string>& shown,
              std::string& out) const;

  std::map<std::string, const primitives::JobView*> jobs_;
  std::set<std::string> names_;  // also of those that nobody has announced
  std::map<std::string, std::vector<std::string>> dependents_;
};

}  // namespace dcoord::output
