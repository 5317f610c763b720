#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/task.h"
#include "cli/options.h"

namespace dcoord::cli {

class Context;

/// One verb of a noun: what it takes and what it does. The closures own the variables that the
/// options are bound to.
struct Verb {
  std::string
      name;  ///< "run"; "" for a noun without verbs, or for `NOUN NAME` where a noun has both
  std::string summary;                ///< one line, lower case, no full stop
  std::string usage;                  ///< after the verb: "NAME [OPTIONS] -- COMMAND [ARG...]"
  std::vector<std::string> examples;  ///< whole lines, as typed
  bool takes_command = false;         ///< needs `-- COMMAND`, or -c where it declares that
  bool for_eval = false;  ///< prints shell assignments: a failure must print (exit N), see cli::run
  bool takes_tail = false;  ///< takes words after `--` that are no command, as it likes
  std::function<void(OptionSet&)> declare;  ///< null: takes nothing
  std::function<int(Context&)> run;         ///< the exit code; failures throw Error

  /// The same as a coroutine that waits for nothing but the servers' answers, and prints through
  /// Context::printer alone when that prints JSON: what `batch` runs, many at a time. Null: it does
  /// not. See batchable().
  std::function<Task<int>(Context&)> task;
  /// Of a task, once its options are set. Why this command line is not for a batch all the same;
  /// "": it is. May be null.
  std::function<std::string()> batch_refusal;
  /// Of a task, once its options are set: it asks the servers more than once, so what stands behind
  /// it has to wait. Null: it does not.
  std::function<bool()> several_steps;
};

/// For Verb::several_steps.
inline bool always() { return true; }

/// Makes a verb one that `batch` takes: sets its task, and run to it.
void batchable(Verb& verb, std::function<Task<int>(Context&)> task);

struct Noun {
  std::string name;
  std::string summary;
  std::vector<std::string> examples;
  std::vector<Verb> verbs;
};

/// An entry of the list of nouns: what `dcoord` alone prints, and how to get the rest, which is
/// only built when the noun is used, since building every option of the tree costs more than a
/// command does.
struct NounEntry {
  const char* name;
  const char* group;  ///< COORDINATE, WORK, OBSERVE, SETUP
  const char* summary;
  Noun (*make)();
};

/// All nouns, in the order of the help text.
const std::vector<NounEntry>& nouns();

}  // namespace dcoord::cli
