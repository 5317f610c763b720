#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/state_follower.h"
#include "cli/state_verbs.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

/// "build  [##########--------------------]  33%  33/100"
std::string bar(const std::string& name, long long now, long long total) {
  constexpr int kWidth = 30;
  const double part = std::clamp(static_cast<double>(now) / static_cast<double>(total), 0.0, 1.0);
  const auto full = static_cast<size_t>(part * kWidth);
  return fmt::format("{}  [{}{}] {:3}%  {}/{}", name, std::string(full, '#'),
                     std::string(kWidth - full, '-'), static_cast<int>(part * 100), now, total);
}

Task<bool> show_progress(const WatchOptions& o, StateFollower& follower) {
  long long told = -1;  // in tenths of the whole, where the line is not rewritten
  while (true) {
    Task<std::optional<StateFollower::Change>> following = follower.next();
    const std::optional<StateFollower::Change> change = co_await following;
    if (!change) co_return false;
    if (!change->value.present) continue;
    const std::string& text = change->value.bytes;
    long long now = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), now);
    if (error != std::errc() || end != text.data() + text.size()) {
      throw Error(ExitCode::data, "no_integer",
                  fmt::format("value '{}' is no whole number: '{}'", o.name,
                              log::printable(text.substr(0, 40))));
    }
    const bool complete = now >= o.total;
    const auto tenth =
        static_cast<long long>(static_cast<double>(now) / static_cast<double>(o.total) * 10);
    if (log::settings().rewrite && !complete) {
      log::progress(bar(o.name, now, o.total));
    } else if (complete || tenth != told) {
      log::clear_progress();
      log::note(0, bar(o.name, now, o.total));
      told = tenth;
    }
    if (complete) co_return true;
  }
}

int progress(Context& context, const WatchOptions& o) {
  check_name(o.name, "key");
  int signal = 0;
  {
    StateFollower follower(context, o, nullptr);
    const bool complete = context.loop().run(show_progress(o, follower));
    log::clear_progress();
    if (complete) return to_int(ExitCode::ok);
    signal = follower.signal();
  }
  if (signal != 0) hold::die_of_signal(signal);
  throw wait_over(o, fmt::format("{} or more", o.total));
}

}  // namespace

Verb state_progress_verb() {
  auto o = std::make_shared<WatchOptions>();
  Verb verb;
  verb.name = "progress";
  verb.summary = "a progress bar for a number that others raise, until it is complete";
  verb.usage = "KEY [--total N] [-w DUR]";
  verb.examples = {"dcoord state progress import --total 5000"};
  verb.declare = [o](OptionSet& set) {
    set.positional("KEY", "state", o->name, "name of the value");
    set.integer("--total", "N", o->total, 1, std::numeric_limits<long long>::max(),
                "what is complete");
    set.duration("-w,--wait", o->wait, "wait at most so long, then exit 124");
  };
  verb.run = [o](Context& context) { return progress(context, *o); };
  return verb;
}

}  // namespace dcoord::cli
