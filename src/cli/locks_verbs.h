#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "primitives/survey.h"
#include "primitives/wait_graph.h"

namespace dcoord::cli {

/// PATTERN and --kind: which things a verb of `locks` is about.
struct ThingFilter {
  std::string pattern;
  std::vector<std::string> kinds;

  /// With `option`, `--kind` may be given.
  void declare(OptionSet& set, bool option = true);
  /// Of those kinds, or where none was given of `usual`. Throws Error (64) for one that is none.
  primitives::SurveyWish wish(std::vector<primitives::ThingKind> usual) const;
  /// Of locks and elections alone, which have holders and statistics; others are refused with 64.
  primitives::SurveyWish held_wish() const;
  /// Of locks, elections, jobs and barriers, with those that wait: others do not tell who does.
  primitives::SurveyWish waits_wish() const;
};

/// Everything that there is, of any kind; and their words.
std::vector<primitives::ThingKind> all_kinds();
inline constexpr const char* kKindWords = "lock, elect, job, barrier, queue or breaker";
/// As many waiters as one thing tells.
inline constexpr int kMostWaiters = 1000;

/// Reads it, and judges what is left behind.
std::vector<primitives::Thing> find_things(Context& context, primitives::SurveyWish wish);
Task<std::vector<primitives::Thing>> finding_things(Context& context, primitives::SurveyWish wish);

/// A kind as people call it: "election" for elect.
const char* kind_name(primitives::ThingKind kind);
/// "lock 'deploy'".
std::string thing_name(const primitives::Thing& thing);
/// "waits for lock 'deploy' for 3m12s", "waits to run job '7/test' for 5s".
std::string wait_text(const primitives::WaitGraph::Wait& wait);
primitives::LockKind lock_kind(primitives::ThingKind kind);

/// Asks on the terminal unless `yes`; throws Error (64) where there is none and 75 when it was not
/// confirmed.
void confirm(bool yes, const std::string& question, const char* refusal);

Verb locks_list_verb();           ///< locks_list.cc
Verb locks_why_verb();            ///< locks_why.cc
Verb locks_deadlocks_verb();      ///< locks_deadlocks.cc
Verb locks_graph_verb();          ///< locks_graph.cc
Verb locks_stats_verb();          ///< locks_stats.cc
Verb locks_release_stale_verb();  ///< locks_release.cc

}  // namespace dcoord::cli
