#include "hold/guarded_run.h"

#include <sys/wait.h>

#include <algorithm>
#include <chrono>

namespace dcoord::hold {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

GuardedRun::GuardedRun(Loop& loop, const StartState& start, bool stays)
    : loop_(loop), guard_(*shared_, start) {
  shared_->stays = stays;
  guard_.fork();
}

void GuardedRun::begin(const Command& command, const Options& options, TimePoint valid_end,
                       bool own_group) {
  shared_->deadline.start(valid_end, options.grace, options.margin);
  shared_->own_group = own_group;
  shared_->tree = options.tree;
  shared_->kill_after = options.kill_after;
  shared_->max_time = options.max_time;
  phase_ = Phase::guarded;
  killer_ = TreeKiller();
  timer_.arm(take_over_at());
  guard_.start(command.input, command.errors);
}

/// When the guard should long have ended the tree: a quarter of what the margin leaves for it.
TimePoint GuardedRun::take_over_at() const {
  const Deadline& d = shared_->deadline;
  return add(d.kill_at(), std::max<Duration>(d.margin() / 4, milliseconds(5)));
}

TimePoint GuardedRun::next_look() const {
  if (phase_ == Phase::taken_over) return add(loop_.now(), TreeKiller::kPause);
  return guard_.next_check(take_over_at());
}

void GuardedRun::arm() {
  if (phase_ == Phase::guarded) timer_.arm(next_look());
}

bool GuardedRun::hear_stop(Message& message) {
  while (running() && guard_.hear(message)) {
    if (message.kind == Message::stopped && !shared_->deadline.ending()) return true;
  }
  return false;
}

void GuardedRun::hear() {
  if (phase_ != Phase::guarded || !shared_->reported.load()) return;
  const Report& r = shared_->report;
  Outcome result;
  result.ending = r.ending;
  result.status = r.status;
  result.exec_errno = r.ending == Ending::not_started ? shared_->exec_errno.load() : 0;
  result.tree_ended = r.tree_ended;
  result.survivors = r.survivors;
  guard_.release();
  finish(result);
}

bool GuardedRun::failed() {
  return phase_ == Phase::guarded &&
         (guard_.died() || guard_.stands_still(loop_.now(), take_over_at()));
}

void GuardedRun::take_over() {
  shared_->deadline.end(Reason::lost, loop_.now());
  guard_.kill();
  phase_ = Phase::taken_over;
  taken_over_at_ = loop_.now();
}

void GuardedRun::step(const Spared& spared) {
  const auto reaped = [](pid_t pid, int, void* guard) {
    auto& link = *static_cast<GuardLink*>(guard);
    if (pid == link.pid()) link.forget();
  };
  Outcome result;
  result.ending = Ending::lost;
  result.tree_ended = killer_.step(spared, Reaper{reaped, &guard_});
  if (!result.tree_ended) {
    const TimePoint end = shared_->deadline.valid_end();
    const TimePoint enough = add(taken_over_at_, seconds(1));
    if (loop_.now() < (end == kNever ? enough : std::max(end, enough))) return;
    char text[sizeof shared_->report.survivors];
    describe_tree(text, sizeof text, spared);
    result.survivors = text;
  }
  finish(result);
}

void GuardedRun::finish(const Outcome& result) {
  outcome_ = result;
  phase_ = Phase::done;
  timer_.arm(kNever);
}

bool GuardedRun::extend(TimePoint valid_end) {
  const bool extended = shared_->deadline.extend(valid_end);
  if (extended && phase_ == Phase::guarded) timer_.arm(take_over_at());
  return extended;
}

void GuardedRun::end(Reason reason) {
  if (phase_ != Phase::guarded) return;
  shared_->deadline.end(reason, add(loop_.now(), shared_->deadline.grace()));
  timer_.arm(take_over_at());
  guard_.poke();
}

bool GuardedRun::guard_lives() const {
  siginfo_t info{};
  return guard_.pid() > 0 &&
         waitid(P_PID, static_cast<id_t>(guard_.pid()), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}

}  // namespace dcoord::hold
