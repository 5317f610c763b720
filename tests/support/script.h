#pragma once

#include <string>

#include "redis/script.h"

namespace dcoord::testing {

/// A script written in a test.
class TestScript {
 public:
  TestScript(std::string source, bool writes);
  TestScript(const TestScript&) = delete;
  TestScript& operator=(const TestScript&) = delete;

  const redis::Script& script() const { return script_; }
  redis::Call call(std::vector<std::string> keys = {}, std::vector<std::string> args = {}) const;

 private:
  std::string source_;
  std::string sha1_;
  redis::Script script_;
};

}  // namespace dcoord::testing
