#include "hold/tree.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/unique_fd.h"
#include "hold/proc.h"

namespace dcoord::hold {
namespace {

PidList family;  // static: the kill path must not allocate, and this does not fit a stack

std::atomic<unsigned>* work = nullptr;

void worked() {
  if (work) ++*work;
}

int open_pidfd(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

void send(int pidfd, pid_t pid, int signal) {
  if (pidfd >= 0) {
    syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0);
  } else {
    kill(pid, signal);
  }
}

void look_at_children() {
  family.count = 0;
  begin_looking();
  add_children(getpid(), 0, family);
}

/// Calls `visit(pid, stat, pidfd)` for each descendant, parents first; a process's children are
/// listed before it is visited, since they become ours when it dies.
template <class Visit>
void walk(const Spared& spared, Visit visit) {
  const pid_t self = getpid();
  look_at_children();
  for (int i = 0; i < family.count; ++i) {
    const auto [pid, parent] = family.entries[i];
    const bool direct = parent == self;
    worked();
    if (direct && spared.has(pid)) continue;
    // Only our own children cannot be replaced by a stranger with the same number while we look.
    // For the others: hold the process, then see that it is the one that was meant.
    const UniqueFd held(direct ? -1 : open_pidfd(pid));
    ProcessStat stat;
    if (!read_stat(pid, stat) || (stat.parent != parent && stat.parent != self)) continue;
    add_children(pid, stat.threads, family);
    visit(pid, stat, held.get());
  }
}

bool reap_each(const Spared& spared, const Reaper& reaper, int* count) {
  look_at_children();
  bool gone = true;
  for (int i = 0; i < family.count; ++i) {
    const pid_t pid = family.entries[i].pid;
    if (spared.has(pid)) continue;
    gone = false;
    int status = 0;
    if (waitpid(pid, &status, WNOHANG | __WALL) != pid) continue;
    if (count) ++*count;
    if (reaper.reaped) reaper.reaped(pid, status, reaper.context);
  }
  return gone;
}

}  // namespace

void count_work(std::atomic<unsigned>* counter) { work = counter; }

bool Spared::has(pid_t pid) const {
  for (int i = 0; i < count; ++i) {
    if (pids[i] == pid) return true;
  }
  return false;
}

bool Services::find() {
  count = 0;
  bool alone = true;
  look_at_children();
  for (int i = 0; i < family.count; ++i) {
    if (count < kMost && is_service(family.entries[i].pid))
      pids[count++] = family.entries[i].pid;
    else
      alone = false;
  }
  return alone && count > 0;
}

void signal_tree(int signal, bool wake, pid_t leader, const Spared& spared) {
  if (leader > 0 && kill(-leader, signal) == 0 && wake) kill(-leader, SIGCONT);
  walk(spared, [&](pid_t pid, const ProcessStat& stat, int pidfd) {
    if (leader > 0 && stat.group == leader) return;
    send(pidfd, pid, signal);
    if (wake) send(pidfd, pid, SIGCONT);
  });
}

bool reap_tree(const Spared& spared, const Reaper& reaper, bool stops, int* count) {
  // With other children about, ECHILD would never come: then the list of children has to do.
  if (spared.count > 0) return reap_each(spared, reaper, count);
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG | __WALL | (stops ? WUNTRACED | WCONTINUED : 0));
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return pid < 0;
    if (count) ++*count;
    if (reaper.reaped) reaper.reaped(pid, status, reaper.context);
  }
}

bool TreeKiller::step(const Spared& spared, const Reaper& reaper) {
  // One pass over everybody ends most of it at once; without it a deep tree would cost a round for
  // each level, and those below a process that may not be killed would live on.
  if (steps_++ % 16 == 0) signal_tree(SIGKILL, false, 0, spared);
  // Then child by child: a tree that forks away from the pass hands each orphan to us, and without
  // a pause between rounds, as long as there is something to reap, it cannot stay ahead.
  for (int round = 0; round < 256; ++round) {
    int reaped = 0;
    worked();
    if (reap_tree(spared, reaper, false, &reaped)) return true;
    if (reaped == 0 && round > 0) return false;
    look_at_children();
    for (int i = 0; i < family.count; ++i) {
      if (!spared.has(family.entries[i].pid)) kill(family.entries[i].pid, SIGKILL);
    }
  }
  return false;
}

void describe_tree(char* text, size_t size, const Spared& spared) {
  size_t length = 0;
  text[0] = 0;
  walk(spared, [&](pid_t pid, const ProcessStat& stat, int) {
    if (stat.state == 'Z' || length >= size) return;
    const int n = snprintf(text + length, size - length, "%spid %d (%s)", length > 0 ? ", " : "",
                           pid, stat.name);
    if (n > 0 && length + static_cast<size_t>(n) < size) {
      length += static_cast<size_t>(n);
    } else {
      text[length] = 0;
      length = size;
    }
  });
  if (text[0] == 0) snprintf(text, size, "processes that could not be listed");
}

}  // namespace dcoord::hold
