#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/lease_options.h"
#include "cli/options.h"
#include "primitives/lock.h"

namespace dcoord::cli {

class Context;

/// What `lock run` and `lock acquire` have in common: which lock, in which mode, how long to wait.
struct LockOptions {
  std::string name;
  bool shared = false;
  std::optional<long long> slots;
  std::string pool;
  bool resize = false;
  bool reentrant = false;
  bool nonblock = false;
  std::optional<Duration> wait;
  std::optional<Duration> retry_delay;
  std::optional<long long> max_retries;
  std::string label;
  std::string request_id;

  void declare(OptionSet& options);
  /// Checks what fits together and makes the request; `command` is shown to others. Throws Error
  /// (64).
  primitives::LockRequest request(Duration ttl, std::string command) const;
  /// Throws Error (64) for what several servers cannot keep together.
  void check_several() const;
  /// How long to wait in line: zero is not at all.
  Duration patience() const;
};

/// A lock that could not be had, as an error with a message for people: 75 (or `conflict_code`),
/// 65, 64, 79.
Error lock_refusal(const std::string& name, const primitives::LockAnswer& answer, Duration waited,
                   int conflict_code, const LockOptions& options);

/// Who holds, for messages: "ci7:4242 (./backup.sh) for 3m12s".
std::string describe_holder(const primitives::Holder& holder, std::optional<Duration> held_for);

/// Asks for the lock, waiting as the options say, with the line for those who watch. When it was
/// not granted, the request has left the line again; when that could not be confirmed, throws Error
/// (74).
Task<primitives::LockAnswer> take_lock(Context& context, primitives::LockService& lock,
                                       const LockOptions& options, primitives::LockRequest request);

/// The name of the slot that was granted, "" without a pool.
std::string resource_of(const primitives::LockRequest& request, int slot);

}  // namespace dcoord::cli
