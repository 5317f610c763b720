#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/locks_verbs.h"
#include "cli/terminal.h"
#include "output/printers.h"
#include "output/sparkline.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;
using output::Record;

struct StatsOptions {
  ThingFilter filter;
  Duration warn_wait = 5s;
  bool reset = false, yes = false;
  std::string request_id;
};

/// "▂█▃  under 1ms to under 4ms"
std::string described(const Histogram& h) {
  size_t end = h.counts.size();
  while (end > 0 && h.counts[end - 1] == 0) --end;
  if (end == 0) return "none";
  return fmt::format("{}  1ms ... {}", output::sparkline(h), format_age(Millis(1LL << (end - 1))));
}

double contention(const LockView& view) {
  return view.acquired == 0
             ? 0
             : static_cast<double>(view.contended) / static_cast<double>(view.acquired);
}

void add_times(Record& record, const std::string& what, const Histogram& h) {
  record.add(what + "_p50_ms", to_ms(h.percentile(0.5)))
      .add(what + "_p95_ms", to_ms(h.percentile(0.95)))
      .add(what + "_p99_ms", to_ms(h.percentile(0.99)))
      .add(what + "_max_ms", to_ms(h.most()))
      .add(what + "_average_ms", to_ms(h.average()));
  std::vector<Record> counts;
  for (size_t i = 0; i < h.counts.size(); ++i) {
    if (h.counts[i] == 0) continue;
    Record count;
    if (i + 1 == h.counts.size())
      count.add_null("under_ms");
    else
      count.add("under_ms", 1LL << i);
    count.add("count", static_cast<long long>(h.counts[i]));
    counts.push_back(std::move(count));
  }
  record.add_list(what + "_histogram", std::move(counts));
}

Record to_record(const Thing& thing) {
  const LockView& view = thing.view;
  Record record;
  record.add("kind", kind_word(thing.kind)).add("name", view.name);
  record.add("acquired", view.acquired)
      .add("contended", view.contended)
      .add("contended_percent", static_cast<long long>(contention(view) * 100 + 0.5))
      .add("lost", view.lost)
      .add("timed_out", view.timed_out)
      .add("waiting", view.waiting);
  add_times(record, "wait", view.waits);
  add_times(record, "hold", view.holds);
  if (view.counted_since > Millis(0)) record.add_time("since", view.counted_since);
  return record;
}

std::string times_text(const Histogram& h) {
  if (h.total() == 0) return "-";
  return fmt::format("{} / {} / {} / {}", format_age(h.percentile(0.5)),
                     format_age(h.percentile(0.95)), format_age(h.percentile(0.99)),
                     format_age(h.most()));
}

/// A row each; one alone on a terminal also gets its histograms.
void print_text(Context& context, const std::vector<Thing>& things) {
  std::vector<Record> rows;
  for (const Thing& thing : things) {
    const LockView& view = thing.view;
    Record row;
    row.add("name", view.name)
        .add("kind", kind_word(thing.kind))
        .add("acquired", view.acquired)
        .add("contended", fmt::format("{:.0f}%", contention(view) * 100))
        .add("wait_p50/95/99/max", times_text(view.waits))
        .add("hold_p50/95/99/max", times_text(view.holds))
        .add("lost", view.lost)
        .add("timed_out", view.timed_out)
        .add("waiters", view.waiting);
    rows.push_back(std::move(row));
  }
  context.printer().print(rows);
  if (things.size() != 1 || terminal_width() == 0) return;
  output::write_out(fmt::format("waits  {}\nholds  {}\n", described(things[0].view.waits),
                                described(things[0].view.holds)));
}

void warn(const StatsOptions& o, const std::vector<Thing>& things) {
  for (const Thing& thing : things) {
    const Duration average = thing.view.waits.average();
    if (average <= o.warn_wait) continue;
    log::warning(fmt::format("{}: those that waited did so for {} on average, more than {}",
                             thing_name(thing), format_age(average), format_age(o.warn_wait)));
  }
}

int reset(Context& context, const StatsOptions& o, const std::vector<Thing>& things) {
  if (o.filter.pattern.empty()) {
    confirm(o.yes, fmt::format("The statistics of all {} begin anew.", things.size()),
            "nothing was reset");
  }
  const Keys keys(context.config().key_namespace);
  for (const Thing& thing : things) {
    Lock lock(context.loop(), context.scripts(), keys, thing.view.name, lock_kind(thing.kind));
    context.loop().run(lock.reset_statistics(context.patience()));
  }
  log::note(0, fmt::format("the statistics of {} begin anew", things.size()));
  return to_int(things.empty() ? ExitCode::no : ExitCode::ok);
}

int stats(Context& context, const StatsOptions& o) {
  SurveyWish wish = o.filter.held_wish();
  wish.listing.all = true;
  const auto things = find_things(context, std::move(wish));
  if (o.reset) return reset(context, o, things);
  if (context.json()) {
    std::vector<Record> records;
    for (const Thing& thing : things) records.push_back(to_record(thing));
    context.printer().print(records);
  } else {
    print_text(context, things);
  }
  warn(o, things);
  const bool named = !o.filter.pattern.empty();
  return to_int(things.empty() && named ? ExitCode::no : ExitCode::ok);
}

}  // namespace

Verb locks_stats_verb() {
  auto o = std::make_shared<StatsOptions>();
  Verb verb;
  verb.name = "stats";
  verb.summary = "how often, how long waited for and how long held; exit 1 when there is none";
  verb.usage = "[PATTERN] [--warn-wait DUR] [--reset [--yes]]";
  verb.examples = {"dcoord locks stats", "dcoord locks stats deploy --json",
                   "dcoord locks stats 'build-*' --warn-wait 30s",
                   "dcoord locks stats deploy --reset"};
  verb.declare = [o](OptionSet& set) {
    o->filter.declare(set);
    set.duration("--warn-wait", o->warn_wait,
                 "warn of those that are waited for longer than that on average");
    set.flag("--reset", o->reset, "begin to count anew").from_environment = false;
    set.flag("--yes", o->yes, "with --reset and no PATTERN: do not ask").from_environment = false;
    set.text("--request-id", "ID", o->request_id, "accepted everywhere; resetting again is safe")
        .from_environment = false;
  };
  verb.run = [o](Context& context) { return stats(context, *o); };
  return verb;
}

}  // namespace dcoord::cli
