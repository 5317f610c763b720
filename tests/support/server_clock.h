#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "support/server.h"

namespace dcoord::testing {

/// The clock of a server, which stands still until the test moves it: for
/// ServerSettings::variables.
class ServerClock {
 public:
  /// Stands at a whole day, so that windows begin there.
  ServerClock();
  ~ServerClock();
  ServerClock(const ServerClock&) = delete;
  ServerClock& operator=(const ServerClock&) = delete;

  std::vector<std::string> variables() const;

  Millis now() const { return Millis(*microseconds_ / 1000); }
  void set(Millis at) { *microseconds_ = at.count() * 1000; }
  void advance(Millis by) { set(now() + by); }

 private:
  TemporaryDirectory directory_;
  volatile int64_t* microseconds_ = nullptr;
};

}  // namespace dcoord::testing
