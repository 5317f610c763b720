#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "primitives/keys.h"
#include "redis/runner.h"

namespace dcoord::testing {

/// A client of a server: a loop, a runner, the key names.
struct Side {
  explicit Side(const std::string& url, redis::SessionOptions options = {})
      : runner(redis::make_runner(loop, redis::parse_target(url, "test"), std::move(options))) {}

  SystemClock clock;
  Loop loop{clock};
  std::unique_ptr<redis::ScriptRunner> runner;
  primitives::Keys keys{"test"};
  Duration limit = std::chrono::seconds(20);
  redis::Patience patience() { return {add(loop.now(), limit), kNever}; }
};

/// One request of the product, with what it takes to judge it from outside.
struct KnownOperation {
  std::string name;
  /// Makes the state that it meets, of a thing called `thing`.
  std::function<void(Side&, const std::string& thing)> prepare;
  /// Sends it, always with the same token. What came of it; asked again it has to be the same.
  std::function<std::string(Side&, const std::string& thing)> run;
  /// What is stored then, without times and random numbers.
  std::function<std::string(Side&, const std::string& thing)> look;
};

/// Every operation that changes something.
std::vector<KnownOperation> known_operations();

}  // namespace dcoord::testing
