#include "cli/state_follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "base/duration.h"
#include "base/error.h"
#include "base/race.h"

namespace dcoord::cli {

using namespace primitives;

Error wait_over(const WatchOptions& o, const std::string& what) {
  return Error(
      ExitCode::timed_out, "timed_out",
      fmt::format("value '{}' did not become {} within {}", o.name, what, format_duration(o.wait)));
}

StateFollower::StateFollower(Context& context, const WatchOptions& o, hold::Supervisor* supervisor)
    : context_(context),
      loop_(context.loop()),
      supervisor_(supervisor),
      keys_(context.config().key_namespace),
      state_(loop_, context.scripts(), keys_, o.name),
      until_(add(loop_.now(), o.wait)),
      known_(o.since ? std::to_string(*o.since) : "0"),
      all_(o.since.has_value()) {
  if (supervisor_ == nullptr) interrupts_.emplace(loop_, context.start());
}

Task<std::optional<StateFollower::Change>> StateFollower::next() {
  while (true) {
    const Config& config = context_.config();
    redis::Patience patience = context_.patience(config.connect_timeout + config.command_timeout);
    if (answered_) patience = {std::max(until_, patience.until), kNever};
    Task<std::optional<StateValue>> looking = state_.next(known_, token_, until_, patience);
    Task<int> interrupted =
        supervisor_ != nullptr ? supervisor_->interrupted() : interrupts_->next();
    Task<std::variant<std::optional<StateValue>, int>> both =
        race(loop_, std::move(looking), std::move(interrupted));
    auto outcome = co_await both;
    if (const int* signal = std::get_if<int>(&outcome)) {
      signal_ = *signal;
      co_return std::nullopt;
    }
    auto& value = std::get<std::optional<StateValue>>(outcome);
    if (!value) co_return std::nullopt;
    Change change;
    if (answered_) change.folded = std::max(0LL, value->changes - changes_ - 1);
    // That there was a value once is no news to one that begins to watch.
    const bool news = answered_ || all_ || value->present;
    known_ = value->version;
    changes_ = value->changes;
    answered_ = true;
    change.value = std::move(*value);
    if (news) co_return change;
  }
}

}  // namespace dcoord::cli
