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

using std::chrono::seconds;

// Two typed INTs count as insisting when they come within this: a program that takes ^C as a key
// sees it often.
constexpr auto kInsisting = seconds(3);

Error no_supervision(const char* what) {
  return Error(ExitCode::internal, "system",
               std::string("cannot supervise a command: ") + what + ": " + strerror(errno));
}

int checked(int result, const char* what) {
  if (result < 0) throw no_supervision(what);
  return result;
}

}  // namespace

Supervisor::State::State(Loop& l, const StartState& s, int places)
    : loop(l), start(s), crew(places > 0), terminal(!crew && has_terminal()) {
  sigset_t set = collected_signals(start);
  // A message never stops us, in the background of a terminal with `stty tostop`.
  sigaddset(&set, SIGTTOU);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  // Ignored, the kernel would reap for us, and "no child left" would prove nothing.
  if (start.ignored[SIGCHLD]) signal(SIGCHLD, SIG_DFL);
  for (int i = 0; i < std::max(1, places); ++i)
    runs.push_back(std::make_unique<GuardedRun>(loop, start, crew));
  sigdelset(&set, SIGTTOU);
  sigaddset(&set, SIGTSTP);  // when it is blocked, see StopBlocked
  signals.reset(checked(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd"));
}

Supervisor::State::~State() {
  for (const auto& run : runs) {
    while (run->taken_over()) {
      look(*run);
      usleep(1000);
    }
  }
}

void Supervisor::State::begin(GuardedRun& run, const Command& command, const Options& options,
                              TimePoint valid_end) {
  const bool another = run.prepare();
  if (!crew) {
    ready.reset(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
    for (const int fd : {signals.get(), run.socket()}) {
      epoll_event event{};
      event.events = EPOLLIN;
      checked(epoll_ctl(ready.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    }
  }
  // Only now: what was started before, such as a server in the background, is not ours to inherit.
  if (!looked) prctl(PR_SET_CHILD_SUBREAPER, 1);
  job = JobControl();
  // A guard that went leaves us what its last command left behind; with the same guard nothing can
  // have changed.
  const bool same = crew && looked && !another;
  run.begin(command, options, valid_end, !terminal);
  if (!same) refresh_spared();
}

TimePoint Supervisor::State::next_look(const GuardedRun& run) const {
  return run.taken_over() ? run.next_look() : std::min(job.next(), run.next_look());
}

void Supervisor::State::look(GuardedRun& run) {
  if (!crew) {
    collect_signals();
    for (Message stop{}; run.hear_stop(stop);) job.command_stopped(stop.value, loop.now());
  } else {
    for (Message stop{}; run.hear_stop(stop);) {
    }
  }
  run.hear();
  if (run.failed()) {
    refresh_spared();
    run.take_over();
  }
  if (run.taken_over()) {
    std::vector<pid_t> others = spared_by(run);
    Services services;
    services.find();
    others.insert(others.end(), services.pids, services.pids + services.count);
    run.step({others.data(), static_cast<int>(others.size())});
  }
  run.arm();
  if (!terminal || !run.guarded()) return;
  if (const int stop = job.look(loop.now(), run.command())) run.tell(Message::resume, stop);
}

void Supervisor::State::collect_signals() {
  for (Collected signal; next_signal(signals.get(), signal);) collected(signal);
}

void Supervisor::State::collected(const Collected& signal) {
  if (signal.signal == SIGCHLD) reap_strangers();
  if (signal.signal == SIGCONT && (signal.code == SI_TIMER || is_guard(signal.sender))) return;
  if (crew) {
    if (asks_to_end(signal)) requests.push_back(signal.signal);
    return;
  }
  if (asks_to_end(signal)) {
    // What a running command gets it may take for something else, as many do HUP and USR1.
    const bool for_sure =
        signal.signal == SIGTERM || signal.signal == SIGINT || signal.signal == SIGQUIT;
    if (asked == 0 && (for_sure || !running())) asked = signal.signal;
    if (!running()) unserved = signal.signal;
  }
  if (!running()) return;
  GuardedRun& run = *runs[0];
  const TimePoint now = loop.now();
  if (terminal && signal.signal == SIGCONT) job.continued(now);
  if (terminal && signal.signal == SIGINT && signal.code == SI_KERNEL) {
    if (interrupt_typed_at != kNever && now < interrupt_typed_at + kInsisting)
      run.tell(Message::kill);
    interrupt_typed_at = now;
  }
  if (to_be_forwarded(signal, terminal)) run.tell(Message::forward, signal.signal);
}

bool Supervisor::State::running() const {
  return std::any_of(runs.begin(), runs.end(), [](const auto& run) { return run->running(); });
}

bool Supervisor::State::is_guard(pid_t pid) const {
  return pid > 0 && std::any_of(runs.begin(), runs.end(),
                                [&](const auto& run) { return run->guard() == pid; });
}

/// What is our child while the guards live is none of a tree: of that they inherit everything.
void Supervisor::State::refresh_spared() {
  static PidList children;
  children.count = 0;
  begin_looking();
  add_children(getpid(), 0, children);
  const bool alive = std::all_of(runs.begin(), runs.end(), [](const auto& run) {
    return !run->running() || (run->guarded() && run->guard_lives());
  });
  if (!alive) return;
  looked = true;
  spared.clear();
  for (int i = 0; i < children.count; ++i) {
    if (!is_guard(children.entries[i].pid)) spared.push_back(children.entries[i].pid);
  }
}

std::vector<pid_t> Supervisor::State::spared_by(const GuardedRun& run) const {
  std::vector<pid_t> all = spared;
  for (const auto& other : runs) {
    if (other.get() != &run && other->guard() > 0) all.push_back(other->guard());
  }
  return all;
}

/// As PID 1 we inherit orphans from outside, of `docker exec`. They have another session, unlike a
/// child that somebody in this process started and will collect.
void Supervisor::State::reap_strangers() {
  const bool ours =
      std::any_of(runs.begin(), runs.end(), [](const auto& run) { return run->taken_over(); });
  if (getpid() != 1 || ours) return;
  static PidList children;
  children.count = 0;
  begin_looking();
  add_children(1, 0, children);
  for (int i = 0; i < children.count; ++i) {
    const pid_t pid = children.entries[i].pid;
    ProcessStat stat;
    if (is_guard(pid) || !read_stat(pid, stat)) continue;
    if (stat.state == 'Z' && stat.session != getsid(0)) waitpid(pid, nullptr, WNOHANG);
  }
}

}  // namespace dcoord::hold
