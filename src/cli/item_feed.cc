#include "cli/item_feed.h"

#include <utility>

namespace dcoord::cli {

Task<void> ItemFeed::run(Loop& loop, ItemReader& reader) const {
  long long held = 0;
  TimePoint until = kNever;
  std::string item;
  while (true) {
    bool now = false;
    if (reader.pop(item)) {
      if (held++ == 0) until = add(loop.now(), timeout);
      now = take(std::move(item));
      if (!now) continue;
    } else if (reader.at_end()) {
      break;
    } else {
      const bool waits = held >= enough && !reader.ready();
      const bool more = waits ? false : co_await reader.fill(held == 0 ? kNever : until);
      now = !more;
    }
    if (!now) continue;
    Task<void> sending = send();
    co_await sending;
    held = 0;
  }
  Task<void> sending = send();
  co_await sending;
}

}  // namespace dcoord::cli
