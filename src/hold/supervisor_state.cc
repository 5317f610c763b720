#include "hold/supervisor_state.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "hold/proc.h"

namespace dcoord::hold {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Two typed INTs count as insisting when they come within this: a program that takes ^C as a key
// sees it often.
constexpr auto kInsisting = seconds(3);

Error refused(const char* what) {
  return Error(ExitCode::internal, "system",
               std::string("cannot supervise a command: ") + what + ": " + strerror(errno));
}

int checked(int result, const char* what) {
  if (result < 0) throw refused(what);
  return result;
}

}  // namespace

Supervisor::State::State(Loop& l, const StartState& s) : loop(l), start(s) {
  sigset_t set = collected_signals(start);
  // A message never stops us, in the background of a terminal with `stty tostop`.
  sigaddset(&set, SIGTTOU);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  // Ignored, the kernel would reap for us, and "no child left" would prove nothing.
  if (start.ignored[SIGCHLD]) signal(SIGCHLD, SIG_DFL);
  guard.fork();
  sigdelset(&set, SIGTTOU);
  sigaddset(&set, SIGTSTP);  // when it is blocked, see StopBlocked
  signals.reset(checked(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd"));
}

Supervisor::State::~State() {
  while (phase == Phase::taken_over) {
    step_take_over();
    usleep(1000);
  }
}

void Supervisor::State::begin(const Options& options, TimePoint valid_end) {
  guard.fork();
  ready.reset(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
  for (const int fd : {signals.get(), guard.socket()}) {
    epoll_event event{};
    event.events = EPOLLIN;
    checked(epoll_ctl(ready.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  }
  // Only now: what was started before, such as a server in the background, is not ours to inherit.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  shared->deadline.start(valid_end, options.grace, options.margin);
  shared->own_group = !terminal;
  shared->tree = options.tree;
  shared->kill_after = options.kill_after;
  shared->max_time = options.max_time;
  phase = Phase::guarded;
  job = JobControl();
  killer = TreeKiller();
  refresh_spared();
  timer.arm(take_over_at());
  guard.tell(Message::start);
}

TimePoint Supervisor::State::take_over_at() const {
  const Deadline& d = shared->deadline;
  return add(d.kill_at(), std::max<Duration>(d.margin() / 4, milliseconds(5)));
}

TimePoint Supervisor::State::next_look() const {
  if (phase == Phase::taken_over) return add(loop.now(), TreeKiller::kPause);
  return std::min(job.next(), guard.next_check(take_over_at()));
}

void Supervisor::State::look() {
  collect_signals();
  hear_guard();
  if (phase == Phase::guarded) check_guard();
  if (phase == Phase::taken_over) step_take_over();
  if (phase != Phase::guarded) return;
  timer.arm(guard.next_check(take_over_at()));
  if (!terminal) return;
  if (const int stop = job.look(loop.now(), shared->command.load())) {
    guard.tell(Message::resume, stop);
  }
}

void Supervisor::State::collect_signals() {
  for (Collected signal; next_signal(signals.get(), signal);) collected(signal);
}

void Supervisor::State::collected(const Collected& signal) {
  if (signal.signal == SIGCHLD) reap_strangers();
  if (signal.signal == SIGCONT && (signal.code == SI_TIMER || signal.sender == guard.pid())) return;
  if (asks_to_end(signal)) {
    // What a running command gets it may take for something else, as many do HUP and USR1.
    const bool for_sure =
        signal.signal == SIGTERM || signal.signal == SIGINT || signal.signal == SIGQUIT;
    if (asked == 0 && (for_sure || !running())) asked = signal.signal;
    if (!running()) unserved = signal.signal;
  }
  if (!running()) return;
  const TimePoint now = loop.now();
  if (terminal && signal.signal == SIGCONT) job.continued(now);
  if (terminal && signal.signal == SIGINT && signal.code == SI_KERNEL) {
    if (interrupt_typed_at != kNever && now < interrupt_typed_at + kInsisting)
      guard.tell(Message::kill);
    interrupt_typed_at = now;
  }
  if (to_be_forwarded(signal, terminal)) guard.tell(Message::forward, signal.signal);
}

void Supervisor::State::hear_guard() {
  for (Message message{}; running() && guard.hear(message);) {
    if (message.kind == Message::stopped && !shared->deadline.ending()) {
      job.command_stopped(message.value, loop.now());
    }
  }
}

void Supervisor::State::check_guard() {
  if (shared->reported.load()) {
    const Report& r = shared->report;
    Outcome result;
    result.ending = r.ending;
    result.status = r.status;
    result.exec_errno = r.ending == Ending::not_started ? shared->exec_errno.load() : 0;
    result.tree_ended = r.tree_ended;
    result.survivors = r.survivors;
    guard.tell(Message::leave);
    finish(result);
  } else if (guard.died() || guard.stands_still(loop.now(), take_over_at())) {
    take_over();
  }
}

void Supervisor::State::take_over() {
  if (guard.pid() > 0) refresh_spared();
  shared->deadline.end(Reason::lost, loop.now());
  // What it guarded becomes ours, the command dies with it.
  guard.kill();
  phase = Phase::taken_over;
  taken_over_at = loop.now();
}

void Supervisor::State::step_take_over() {
  const auto reaped = [](pid_t pid, int, void* self) {
    auto& state = *static_cast<State*>(self);
    if (pid == state.guard.pid()) state.guard.forget();
  };
  Outcome result;
  result.ending = Ending::lost;
  result.tree_ended = killer.step(spared_now(), Reaper{reaped, this});
  if (!result.tree_ended) {
    const TimePoint end = shared->deadline.valid_end();
    const TimePoint enough = add(taken_over_at, seconds(1));
    if (loop.now() < (end == kNever ? enough : std::max(end, enough))) return;
    char text[sizeof shared->report.survivors];
    describe_tree(text, sizeof text, spared_now());
    result.survivors = text;
  }
  finish(result);
}

void Supervisor::State::finish(const Outcome& result) {
  outcome = result;
  phase = Phase::done;
  timer.arm(kNever);
}

/// What is our child while the guard lives is none of the tree: of that the guard inherits
/// everything.
void Supervisor::State::refresh_spared() {
  static PidList children;
  children.count = 0;
  begin_looking();
  add_children(getpid(), 0, children);
  siginfo_t info{};
  const bool alive =
      guard.pid() > 0 &&
      waitid(P_PID, static_cast<id_t>(guard.pid()), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
      info.si_pid == 0;
  if (!alive) return;
  spared.clear();
  for (int i = 0; i < children.count; ++i) {
    if (children.entries[i].pid != guard.pid()) spared.push_back(children.entries[i].pid);
  }
}

/// As PID 1 we inherit orphans from outside, of `docker exec`. They have another session, unlike a
/// child that somebody in this process started and will collect.
void Supervisor::State::reap_strangers() {
  if (getpid() != 1 || phase == Phase::taken_over) return;
  static PidList children;
  children.count = 0;
  begin_looking();
  add_children(1, 0, children);
  for (int i = 0; i < children.count; ++i) {
    const pid_t pid = children.entries[i].pid;
    ProcessStat stat;
    if (pid == guard.pid() || !read_stat(pid, stat)) continue;
    if (stat.state == 'Z' && stat.session != getsid(0)) waitpid(pid, nullptr, WNOHANG);
  }
}

}  // namespace dcoord::hold
