#pragma once

#include <functional>
#include <string>

#include "base/task.h"
#include "primitives/lock.h"

namespace dcoord::cli {

class Context;

/// How to wait for a lock or a leadership.
struct Waiting {
  std::string what;              ///< for messages: "lock 'x'", "election 'x'"
  Duration patience = kForever;  ///< zero: do not stand in line
  /// Keep trying to reach Redis: for one that had the lease before. Else whoever is not in line yet
  /// is told soon that Redis cannot be had, because cron and CI rather fail than hang.
  bool persistent = false;
  std::function<void(const primitives::LockWaiting&)> on_wait;  ///< hears each answer; may be null
};

/// Asks for it and waits, with the line for those who watch. When it was not granted, the request
/// has left the line again; when that could not be confirmed, throws Error (74).
Task<primitives::LockAnswer> take(Context& context, primitives::LockService& lock,
                                  primitives::LockRequest request, Waiting waiting);

/// Leaves the line (or gives up what was granted meanwhile) within `limit`; the reason when that
/// could not be confirmed, else "".
Task<std::string> leave(Context& context, primitives::LockService& lock, std::string token,
                        bool timed_out, Duration limit);

}  // namespace dcoord::cli
