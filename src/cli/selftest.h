#pragma once

#include <string>
#include <vector>

#include "base/task.h"

namespace dcoord::cli {

class Context;

/// What one part of the self-test did and found.
struct SelfTestPart {
  std::string name;
  std::string promise;  ///< what was looked at, as a sentence
  long long operations = 0;
  long long interrupted = 0;  ///< requests whose answer was thrown away, and that were sent again
  std::vector<std::string> violations;
};

struct SelfTestSettings {
  int clients = 4;
  int rounds = 25;
  bool chaos = false;  ///< throw connections away in the middle of requests
};

/// Puts the servers through a bounded form of what dcoord promises: clients with connections of
/// their own contend for one thing of each kind, under keys of its own that are removed afterwards.
/// Throws what the primitives throw.
Task<std::vector<SelfTestPart>> self_test(Context& context, SelfTestSettings settings);

}  // namespace dcoord::cli
