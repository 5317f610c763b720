#include "cli/force.h"

#include <fmt/format.h>

#include <vector>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/token.h"
#include "cli/context.h"
#include "cli/lock_options.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

/// The live hold that `id` means.
const LockParty& find_hold(const LockView& view, const std::string& what, const std::string& show,
                           const std::string& id) {
  std::vector<const LockParty*> found;
  for (const auto& party : view.holders) {
    const bool live = party.lease_left > Millis(0);
    if (live && (party.token.starts_with(id) || party.who.owner == id)) found.push_back(&party);
  }
  if (found.size() > 1) {
    throw usage_error(fmt::format("'{}' means {} holds of {}", id, found.size(), what),
                      "give more of the id");
  }
  if (found.empty()) {
    throw Error(ExitCode::no, "not_held", fmt::format("no holder of {} has the id '{}'", what, id),
                fmt::format("`{}` lists who holds it", show));
  }
  return *found[0];
}

}  // namespace

Task<int> take_away(Context& context, LockService& lock, std::string what, std::string show,
                    std::string holder, bool at_once) {
  if (holder.size() < 8) {
    throw usage_error(fmt::format("{} needs --holder ID, of 8 characters at least",
                                  at_once ? "--break" : "--force"),
                      fmt::format("`{}` lists who holds it and their ids", show));
  }
  Lock* const on_one = dynamic_cast<Lock*>(&lock);
  if (at_once && on_one == nullptr) {
    throw usage_error(fmt::format("--break: {} is kept by several servers together", what),
                      "--force asks its holder to stop; at the latest its lease ends");
  }
  const LockView view = co_await lock.show(0, context.patience());
  const LockParty& hold = find_hold(view, what, show, holder);
  const std::string who = describe_holder(hold.who, std::nullopt);
  const Error gone(ExitCode::no, "not_held", fmt::format("{} has just given up {}", who, what),
                   "nothing was changed");
  Holder by = this_process(random_token(), at_once ? "--break" : "--force", "");
  if (!at_once) {
    Task<LockService::Revoked> revoking =
        on_one != nullptr ? on_one->revoke_by(hold.token, "", by, context.patience())
                          : lock.revoke(hold.token, "", context.patience());
    const auto revoked = co_await revoking;
    if (revoked.what != LockService::Revoked::What::revoked) throw gone;
    log::note(0, fmt::format("told {} to stop; {} is free when it has, in {} at the latest", who,
                             what, format_age(revoked.lease_left)));
    co_return to_int(ExitCode::ok);
  }
  Lock::Leftover leftover;
  leftover.proof = Lock::Leftover::Proof::broken;
  leftover.token = hold.token;
  leftover.by = std::move(by);
  Task<Lock::Reclaimed> reclaiming = on_one->reclaim(std::move(leftover), context.patience());
  const auto result = co_await reclaiming;
  if (result.what != Lock::Reclaimed::What::reclaimed) throw gone;
  log::warning(
      fmt::format("took {} from {} at once{}: what it runs may go on for up to {}, beside the next "
                  "holder; only "
                  "a fencing token (now above {}) keeps it from what it writes to",
                  what, who, result.handed_on ? ", and handed it to the next in line" : "",
                  format_age(hold.lease_left), hold.fence));
  co_return to_int(ExitCode::ok);
}

}  // namespace dcoord::cli
