#include "cli/top_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/duration.h"
#include "base/log.h"
#include "output/printer.h"
#include "output/sparkline.h"
#include "output/table.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

constexpr const char* kOrders[TopView::kTabs][3] = {{"waiters", "age", "name"},
                                                    {"standby", "age", "name"},
                                                    {"ready", "oldest", "name"},
                                                    {"state", "failures", "name"}};

Duration age_of(const LockView& view) {
  return view.holders.empty() ? Duration::zero() : view.server_time - view.holders[0].since;
}

std::string lease_of(const LockView& view) {
  if (view.holders.empty()) return "-";
  const Millis left = view.holders[0].lease_left;
  return left > Millis(0) ? format_age(left) : "over for " + format_age(-left);
}

std::string age_text(const LockView& view) {
  return view.holders.empty() ? "-" : format_age(age_of(view));
}

std::vector<std::string> lock_row(const LockView& view) {
  std::string holder = "-";
  if (!view.holders.empty())
    holder = fmt::format("{}:{}", view.holders[0].who.host, view.holders[0].who.pid);
  if (view.holders.size() > 1) holder += fmt::format(" +{}", view.holders.size() - 1);
  return {view.name,
          output::state_word(view.state),
          holder,
          age_text(view),
          lease_of(view),
          std::to_string(view.waiting),
          std::to_string(view.acquired),
          std::to_string(view.lost),
          view.waits.total() == 0 ? "-" : format_age(view.waits.percentile(0.95)),
          output::sparkline(view.waits)};
}

std::vector<std::string> election_row(const LockView& view) {
  const output::Election election{view};
  const LockParty* const leader = election.leader();
  return {view.name,
          election.state(),
          leader == nullptr ? "-" : leader->who.label,
          std::to_string(view.term),
          leader == nullptr ? "-" : age_text(view),
          leader == nullptr ? "-" : lease_of(view),
          std::to_string(view.waiting)};
}

/// Of a queue nobody knows who works on it but by what they do: wait for an item, or have one.
std::string workers_of(const QueueView& view) {
  if (view.waiting == 0 && view.in_flight == 0) return view.ready > 0 ? "0 no workers" : "0";
  return view.in_flight > 0 ? fmt::format("{} +{} busy", view.waiting, view.in_flight)
                            : std::to_string(view.waiting);
}

std::vector<std::string> queue_row(const QueueView& view) {
  return {view.name,
          std::to_string(view.ready),
          std::to_string(view.delayed),
          std::to_string(view.in_flight),
          std::to_string(view.dead),
          view.oldest ? format_age(*view.oldest) : "-",
          workers_of(view),
          fmt::format("{}/min", view.pushed_per_minute),
          fmt::format("{}/min", view.done_per_minute)};
}

/// Open ones first, then those that are tried.
long long urgency_of(BreakerState state) {
  return state == BreakerState::open ? 2 : state == BreakerState::half_open ? 1 : 0;
}

std::string next_try_of(const BreakerView& view) {
  if (view.state == BreakerState::closed) return "-";
  if (!view.next_try) return "when it is reset";
  return *view.next_try > Millis(0) ? "in " + format_age(*view.next_try) : "now";
}

std::vector<std::string> breaker_row(const BreakerView& view) {
  const std::string rate = view.window_calls == 0
                               ? "-"
                               : fmt::format("{}%", 100 * view.window_failures / view.window_calls);
  return {view.name,
          breaker_state_word(view.state),
          format_age(view.age),
          rate,
          fmt::format("{}/{}", view.window_failures, view.window_calls),
          next_try_of(view),
          std::to_string(view.opened),
          std::to_string(view.reporter_count)};
}

/// The largest first, by name where they are alike: the survey is in the order of names.
template <class View>
std::vector<const View*> sorted(const std::vector<View>& views, const std::string& filter,
                                std::function<long long(const View&)> weight) {
  std::vector<const View*> list;
  for (const View& view : views) {
    if (view.name.find(filter) != std::string::npos) list.push_back(&view);
  }
  if (weight) {
    std::stable_sort(list.begin(), list.end(),
                     [&](const View* a, const View* b) { return weight(*a) > weight(*b); });
  }
  return list;
}

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

const std::vector<std::string> kHelp{
    "",
    "  q        leave                       /        show only names with ...",
    "  space    stand still, go on          s        the next order",
    "  tab      the next kind of things     ?        this help",
    "  arrows, page up and down, home, end  move through the list",
    "",
    "  Nothing is changed from here: `dcoord locks why NAME` tells the story of a lock,",
    "  `dcoord locks release-stale` takes away what was left behind.",
};

}  // namespace

const char* TopView::order_name() const { return kOrders[tab][order[tab]]; }

void TopView::next_order() { order[tab] = (order[tab] + 1) % 3; }

TopView::Rows TopView::rows(int of) const {
  const size_t by = order[of];
  Rows rows;
  if (of == queues) {
    rows.headers = {"NAME",   "READY",   "DELAYED", "IN FLIGHT", "DEAD",
                    "OLDEST", "WORKERS", "PUSHED",  "DONE"};
    std::function<long long(const QueueView&)> weight;
    if (by == 0) weight = [](const QueueView& v) { return v.ready; };
    if (by == 1) weight = [](const QueueView& v) { return v.oldest ? v.oldest->count() : -1; };
    for (const auto* view : sorted(things.queues, filter, weight))
      rows.cells.push_back(queue_row(*view));
    return rows;
  }
  if (of == breakers) {
    rows.headers = {"NAME",     "STATE",    "SINCE",  "FAILED",
                    "OF CALLS", "NEXT TRY", "OPENED", "REPORTERS"};
    std::function<long long(const BreakerView&)> weight;
    if (by == 0) weight = [](const BreakerView& v) { return urgency_of(v.state); };
    if (by == 1) weight = [](const BreakerView& v) { return v.window_failures; };
    for (const auto* view : sorted(things.breakers, filter, weight))
      rows.cells.push_back(breaker_row(*view));
    return rows;
  }
  std::function<long long(const LockView&)> weight;
  if (by == 0) weight = [](const LockView& v) { return v.waiting; };
  if (by == 1) weight = [](const LockView& v) -> long long { return age_of(v).count(); };
  if (of == elections) {
    rows.headers = {"NAME", "STATE", "LEADER", "TERM", "LEADS", "LEASE", "STANDBY"};
    for (const auto* view : sorted(things.elections, filter, weight))
      rows.cells.push_back(election_row(*view));
    return rows;
  }
  rows.headers = {"NAME",    "STATE",    "HOLDER", "AGE",      "LEASE",
                  "WAITERS", "ACQUIRED", "LOST",   "WAIT p95", "WAITS"};
  for (const auto* view : sorted(things.locks, filter, weight))
    rows.cells.push_back(lock_row(*view));
  return rows;
}

std::string TopView::title() const {
  std::string out = fmt::format("dcoord top  {}", log::printable(target));
  if (server_time > Millis(0)) out += "  " + output::rfc3339(server_time).substr(0, 19) + "Z";
  out += fmt::format("  every {}", format_duration(interval));
  if (paused) out += "  PAUSED";
  return out;
}

std::string TopView::tabs() const {
  const auto one = [&](int which, const char* name, size_t count) {
    const std::string text = fmt::format("{} {}", name, count);
    return which == tab ? "[" + text + "]  " : " " + text + "   ";
  };
  return one(locks, "locks", things.locks.size()) +
         one(elections, "elections", things.elections.size()) +
         one(queues, "queues", things.queues.size()) +
         one(breakers, "breakers", things.breakers.size());
}

std::string TopView::footer() const {
  if (typing) return "/" + log::printable(filter) + "_";
  if (!trouble.empty()) return log::printable(trouble);
  std::string out =
      fmt::format("q quit  space pause  tab next  s order: {}  / filter  ? help", order_name());
  if (!filter.empty()) out += "  only: " + log::printable(filter);
  return out;
}

std::vector<std::string> TopView::lines(int width, int height) {
  const auto fitted = [&](std::string text) {
    output::Table line({""});
    line.add({text});
    return split_lines(line.text(false, width)).front();
  };
  std::vector<std::string> out{"\x1b[1m" + fitted(title()), fitted(tabs())};
  const size_t room = static_cast<size_t>(std::max(height - 4, 1));
  const Rows shown = rows(tab);
  selected = shown.cells.empty() ? 0 : std::min(selected, shown.cells.size() - 1);
  // The page that the selected row is on.
  const size_t first = selected / room * room;
  if (help) {
    for (const auto& line : kHelp) out.push_back(fitted(line.empty() ? " " : line));
  } else {
    output::Table table(shown.headers);
    for (size_t i = first; i < std::min(first + room, shown.cells.size()); ++i)
      table.add(shown.cells[i]);
    const auto body = split_lines(table.text(true, width));
    for (size_t i = 0; i < body.size(); ++i) {
      const char* const look = i == 0 ? "\x1b[4m" : i - 1 + first == selected ? "\x1b[7m" : "";
      out.push_back(look + body[i]);
    }
  }
  out.resize(static_cast<size_t>(std::max(height - 1, 2)));
  out.push_back((trouble.empty() || typing ? "\x1b[2m" : "\x1b[1;31m") + fitted(footer()));
  return out;
}

std::string TopView::text() const {
  std::string out = title() + "\n";
  if (!trouble.empty()) out += log::printable(trouble) + "\n";
  static constexpr const char* kNames[] = {"locks", "elections", "queues", "breakers"};
  for (int which = 0; which < kTabs; ++which) {
    const Rows shown = rows(which);
    out += fmt::format("{}: {}\n", kNames[which], shown.cells.size());
    if (shown.cells.empty()) continue;
    output::Table table(shown.headers);
    for (const auto& row : shown.cells) table.add(row);
    out += table.text(true, 0);
  }
  return out;
}

}  // namespace dcoord::cli
