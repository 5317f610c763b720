#include "cli/listener.h"

namespace dcoord::cli {
namespace {

std::vector<redis::ScriptRunner*> pointers(const Listener::Runners& runners) {
  std::vector<redis::ScriptRunner*> all;
  for (const auto& runner : runners) all.push_back(runner.get());
  return all;
}

}  // namespace

Listener::Listener(Loop& loop, Runners runners)
    : runners_(std::move(runners)),
      servers_(loop, pointers(runners_), std::vector<std::string>(runners_.size())) {}

}  // namespace dcoord::cli
