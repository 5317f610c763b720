#include "cli/work_tally.h"

#include <fmt/format.h>

#include "base/duration.h"

namespace dcoord::cli {
namespace {

std::string counts(const WorkTally& t) {
  std::string text = fmt::format("done {}, failed {}", t.done, t.failed);
  if (t.dead > 0) text += fmt::format(", dead {}", t.dead);
  if (t.lost > 0) text += fmt::format(", lost {}", t.lost);
  if (t.given_back > 0) text += fmt::format(", given back {}", t.given_back);
  return text;
}

}  // namespace

std::string WorkTally::line(const std::optional<primitives::QueueView>& view, TimePoint now) const {
  const double seconds = std::chrono::duration<double>(now - started).count();
  std::string text = counts(*this);
  if (seconds > 0) text += fmt::format(", {:.1f}/s", static_cast<double>(done) / seconds);
  if (!view) return text;
  const long long left = view->ready + view->delayed + view->in_flight;
  text += fmt::format(", left {}", left);
  // By what all workers together do, if there are others.
  if (left > 0 && view->done_per_minute > 0) {
    const Duration eta = std::chrono::seconds(left * 60 / view->done_per_minute);
    text += fmt::format(", ETA {}", format_age(eta));
  }
  return text;
}

std::string WorkTally::summary(TimePoint now) const {
  return fmt::format("{}, in {}", counts(*this), format_age(now - started));
}

output::Record WorkTally::record(const std::string& queue, TimePoint now) const {
  output::Record record;
  record.add("queue", queue)
      .add("done", done)
      .add("failed", failed)
      .add("dead", dead)
      .add("lost", lost)
      .add("given_back", given_back)
      .add("elapsed_ms", to_ms(now - started));
  return record;
}

}  // namespace dcoord::cli
