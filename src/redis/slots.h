#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "redis/reply.h"
#include "redis/url.h"

namespace dcoord::redis {

inline constexpr int kSlots = 16384;

/// The slot of a cluster that a key is in: CRC16 of what stands between its first '{' and the '}'
/// behind it, or of all of it when there is nothing between them.
int slot_of(std::string_view key);

/// Which node of a cluster serves which slot, as far as is known.
class SlotMap {
 public:
  /// Null: not known. Valid until the next change.
  const HostPort* owner(int slot) const;
  void assign(int slot, const HostPort& node);
  /// Takes the reply to CLUSTER SLOTS in place of what was known. `asked` is the node that gave it:
  /// it may not know its own address.
  void load(const Reply& reply, const HostPort& asked);
  /// A node cannot be reached: what it had, another one may serve by now.
  void forget(const HostPort& node);
  /// All that serve or served something.
  const std::vector<HostPort>& nodes() const { return nodes_; }

 private:
  uint16_t number_of(const HostPort& node);

  std::vector<HostPort> nodes_;
  std::vector<uint16_t> owners_;  // by slot: the number of its node, from 1; 0: not known
};

}  // namespace dcoord::redis
