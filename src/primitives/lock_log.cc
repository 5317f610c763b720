#include <bit>
#include <cstdint>

#include "primitives/lock_internal.h"

namespace dcoord::primitives {
namespace {

/// Takes little endian numbers and counted strings off the front of what `struct.pack` wrote.
class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : bytes_(bytes) {}

  uint64_t integer(size_t size) {
    const std::string_view taken = take(size);
    uint64_t value = 0;
    for (size_t i = taken.size(); i-- > 0;)
      value = value << 8 | static_cast<unsigned char>(taken[i]);
    return value;
  }
  long long whole_double() { return static_cast<long long>(std::bit_cast<double>(integer(8))); }
  std::string_view counted() { return take(integer(2)); }
  /// Whether all that was taken was there.
  bool good() const { return good_; }

 private:
  std::string_view take(size_t size) {
    good_ = good_ && size <= bytes_.size();
    if (!good_) return {};
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
  bool good_ = true;
};

}  // namespace

std::vector<LockEvent> decode_lock_log(std::string_view bytes) {
  std::vector<LockEvent> log;
  Unpacker from(bytes);
  while (true) {
    LockEvent event;
    event.what = static_cast<LockEvent::What>(from.integer(1));
    event.since = Millis(from.whole_double());
    event.at = Millis(from.whole_double());
    event.fence = from.whole_double();
    event.who = decode_holder(from.counted());
    event.by = decode_holder(from.counted());
    if (!from.good()) return log;
    log.push_back(std::move(event));
  }
}

}  // namespace dcoord::primitives
