#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "redis/target.h"

namespace dcoord::redis {

/// Asks sentinels which server is the master. What one of them says may be old: whoever connects
/// there asks the server for its role, and tells us when it was not the master.
class Sentinels {
 public:
  Sentinels(Loop& loop, const Target& target);

  /// Reads the password, once: this may take as long as a person does.
  void ask_password();

  struct Found {
    std::optional<HostPort> master;
    std::optional<Error> error;  ///< without a master: why
    bool lasting = false;        ///< asking again would not change that
  };
  /// Asks anew, over new connections: one sentinel, a further one whenever the last has not
  /// answered for a moment, until the first names a master.
  Task<Found> find(TimePoint until);

  /// The sentinel that named the last master.
  std::string informant() const { return to_string(target_.nodes[first_]); }
  /// What find() named was not the master, or cannot be reached: others are asked first from now
  /// on.
  void distrust() { first_ = (first_ + 1) % target_.nodes.size(); }

 private:
  struct Search;
  Task<void> ask(size_t node, Search& search, TimePoint until);
  Task<void> query(size_t node, Search& search, TimePoint until);
  Found failure(const Search& search) const;

  Loop& loop_;
  const Target& target_;
  std::optional<std::string> password_;
  bool asked_ = false;
  size_t first_ = 0;  // the sentinel to ask first
};

}  // namespace dcoord::redis
