#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "base/loop.h"
#include "base/task.h"
#include "primitives/holder.h"
#include "primitives/keys.h"
#include "primitives/lock.h"
#include "redis/script_runner.h"

namespace dcoord::primitives {

enum class JobState { unknown, waiting, running, succeeded, failed, skipped };

/// What a job wants of another one: that it succeeds, ends at all, or fails.
enum class JobWant : char { success = 's', end = 'a', failure = 'f' };

struct JobDependency {
  JobWant want = JobWant::success;
  std::string name;
};

/// What becomes of a job when a dependency comes to another end than wanted.
enum class OnDependencyFailure : char { fail = 'f', skip = 'k', run = 'r' };

/// What is asked for. The token identifies the request.
struct JobRequest {
  std::string token;
  std::string name;
  std::vector<JobDependency> after;  ///< added to what was announced before
  OnDependencyFailure on_failure = OnDependencyFailure::fail;
  bool again = false;  ///< also when it has succeeded before
  Duration ttl = std::chrono::seconds(30);
  Duration once_per{};    ///< the window in which it succeeds once; zero: the run
  Duration lost_after{};  ///< how long after its lease's end a running dependency counts as lost
  Duration keep = std::chrono::hours(24 * 7);  ///< the run's data after its latest change
  Holder who;
};

struct JobGranted {
  TimePoint valid_end;  ///< counted from when the answered request was sent
  int attempt = 0;
};
struct JobWaiting {
  TimePoint look_at;
  std::vector<std::string> pending;
  std::vector<std::string> unknown;  ///< those of them that nobody has announced
};
/// A dependency came to another end than wanted; this job has ended with it.
struct JobDependencyEnded {
  std::string name;
  JobState state = JobState::unknown;  ///< running: it was lost
  int code = 0;
};
struct JobRunning {
  Holder who;
  bool waits = false;  ///< for its dependencies
  Duration age{};
};
struct JobDone {
  JobState state = JobState::succeeded;
  int code = 0;
};
struct JobCycle {
  std::vector<std::string> path;  ///< from the job back to itself
};
struct JobRunFull {};
/// This request has given up before.
struct JobGone {};

using JobAnswer = std::variant<JobGranted, JobWaiting, JobDependencyEnded, JobRunning, JobDone,
                               JobCycle, JobRunFull, JobGone>;

/// What waiting for jobs came to.
struct JobsDone {};
using JobsAnswer = std::variant<JobsDone, JobDependencyEnded, JobWaiting>;

struct JobView {
  std::string run;
  std::string name;
  JobState state = JobState::unknown;
  bool lost = false;  ///< running, but its lease has ended; or waiting, but nobody is there
  std::vector<JobDependency> after;
  int attempts = 0;
  int code = 0;
  Millis server_time{}, asked{}, started{}, ended{}, ends{};  ///< ms since the epoch
  std::string culprit;                                        ///< the dependency that it ended with
  std::string token;                                          ///< of the latest request for it
  Holder who;
};

/// The jobs of one run over their scripts. Holds no state of its own; every call may throw what
/// ScriptRunner::run throws.
class JobRun {
 public:
  JobRun(Loop& loop, redis::ScriptRunner& scripts, const Keys& keys, std::string run);

  Task<JobAnswer> ask(JobRequest request, redis::Patience patience);
  /// Asks and waits by mailbox until it is decided or `until` has passed: then the last JobWaiting
  /// is returned, and leave is to follow. `first` bounds the first answer. Cancelling leaves the
  /// job waiting, until it is noticed to be gone.
  Task<JobAnswer> start(JobRequest request, TimePoint until, redis::Patience first,
                        std::function<void(const JobWaiting&)> on_wait);
  Task<std::variant<LockRenewed, LockLost>> renew(std::string token, std::string name, Duration ttl,
                                                  redis::Patience patience);
  /// False when the lease had ended: nothing was recorded.
  Task<bool> finish(std::string token, std::string name, JobState state, int code,
                    redis::Patience patience);
  /// Gives up waiting. What it was announced to depend on stays.
  Task<void> leave(std::string token, std::string name, redis::Patience patience);

  /// Until all named jobs have succeeded or been skipped, or one has failed or is lost.
  Task<JobsAnswer> wait(std::string token, std::vector<std::string> names, Duration lost_after,
                        TimePoint until, redis::Patience first,
                        std::function<void(const JobWaiting&)> on_wait);
  /// Until somebody else's run of this job has ended, or nobody runs it any more: then it has ended
  /// in the state running, waiting or unknown.
  Task<JobsAnswer> join(std::string token, std::string name, TimePoint until, redis::Patience first,
                        std::function<void(const JobWaiting&)> on_wait);

  struct Marked {
    enum class What { marked, running, absent } what;
    Holder who;
  };
  /// `state`: succeeded, failed, skipped; unknown removes the record.
  Task<Marked> mark(std::string name, JobState state, Holder who, Duration keep,
                    redis::Patience patience);

  /// All jobs of the run in the order of their names, or the named one.
  Task<std::vector<JobView>> show(std::string name, redis::Patience patience);

  const std::string& run() const { return run_; }

 private:
  Task<redis::Answer> call(const redis::Script& script, std::vector<std::string> args, bool index,
                           redis::Patience patience);
  Task<JobsAnswer> wait_for(std::string token, std::vector<std::string> args, TimePoint until,
                            redis::Patience first, std::function<void(const JobWaiting&)> on_wait);
  template <class Answer, class Ask>
  Task<Answer> ask_and_wait(Ask ask, std::string token, TimePoint until, redis::Patience first,
                            std::function<void(const JobWaiting&)> on_wait);

  Loop& loop_;
  redis::ScriptRunner& scripts_;
  const Keys& keys_;
  std::string run_;
  std::vector<std::string> run_keys_;
};

/// The names of all runs.
Task<std::vector<std::string>> list_job_runs(redis::ScriptRunner& runner, const Keys& keys,
                                             redis::Patience patience);

/// "waiting", "running", "succeeded", "failed", "skipped", "unknown".
const char* job_state_word(JobState state);

}  // namespace dcoord::primitives
