#pragma once

#include <memory>
#include <set>
#include <string>

#include "base/unique_fd.h"
#include "output/record.h"
#include "primitives/trace.h"

namespace dcoord::cli {

struct Globals;

/// What --trace and its kin ask for.
struct TraceConfig {
  std::set<std::string> kinds;
  bool to_stderr = false;
  std::string file;
  bool stream = false;
};

/// Where --trace goes to.
class TraceSink {
 public:
  /// Throws Error (78) when the file cannot be written.
  explicit TraceSink(TraceConfig config);

  /// For a runner; this object must outlive it.
  primitives::TraceOptions options();

 private:
  void write(const primitives::TraceEvent& event) const;

  const TraceConfig config_;
  UniqueFd file_;
};

/// Null when nothing is to be traced. Throws Error (64, 78) for kinds that there are not, and as
/// TraceSink does.
std::shared_ptr<TraceSink> make_trace_sink(const Globals& globals);

/// An event as it is told, in a file and by `dcoord trace --json`.
output::Record trace_record(const primitives::TraceEvent& event);

}  // namespace dcoord::cli
