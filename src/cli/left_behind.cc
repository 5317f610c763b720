#include "cli/left_behind.h"

#include <algorithm>

#include "hold/remains.h"

namespace dcoord::cli {

using namespace primitives;

LeftBehind::LeftBehind() : here_(this_process("", "", "")) {}

bool LeftBehind::lives(long pid, long long start) {
  const auto [known, fresh] = lives_.try_emplace({pid, start}, false);
  if (fresh) {
    known->second = hold::lives(static_cast<pid_t>(pid), static_cast<unsigned long long>(start));
  }
  return known->second;
}

LeftBehind::Sign LeftBehind::sign_of(const Holder& holder, const std::string& token) {
  if (holder.boot_id.empty() || here_.boot_id.empty()) return Sign::none;
  if (holder.boot_id != here_.boot_id)
    return holder.host == here_.host ? Sign::rebooted : Sign::none;
  // A number of a PID namespace is used again only when all processes of the old one are dead.
  if (holder.pid_namespace != here_.pid_namespace || here_.pid_namespace.empty()) return Sign::none;
  if (lives(holder.pid, holder.start_time)) return Sign::alive;
  if (holder.guard == 0) return Sign::none;
  if (lives(holder.guard, holder.guard_start)) return Sign::alive;
  // Should both have been killed at once, their command may have outlived them.
  if (!variables_) variables_ = hold::environments("DCOORD_");
  if (!token.empty() && variables_->find(token) != std::string::npos) return Sign::alive;
  return Sign::gone;
}

void LeftBehind::judge(Thing& thing) {
  const auto& holders = thing.view.holders;
  if (holders.empty() || (thing.kind != ThingKind::lock && thing.kind != ThingKind::elect)) return;
  const Sign first = sign_of(holders[0].who, holders[0].token);
  if (thing.view.state == LockView::State::stale) {
    thing.why = sign_text(first);
    return;
  }
  const auto is_gone = [&](const LockParty& p) {
    return !p.offered && !p.resting && sign_of(p.who, p.token) == Sign::gone;
  };
  thing.gone = std::all_of(holders.begin(), holders.end(), is_gone);
  if (thing.gone || first == Sign::rebooted) thing.why = sign_text(first);
}

const char* sign_text(LeftBehind::Sign sign) {
  switch (sign) {
    case LeftBehind::Sign::rebooted:
      return "host rebooted";
    case LeftBehind::Sign::gone:
      return "process gone on this host";
    case LeftBehind::Sign::none:
    case LeftBehind::Sign::alive:
      return "";
  }
  return "";
}

}  // namespace dcoord::cli
