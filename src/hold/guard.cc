#include "hold/guard.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "hold/descriptors.h"
#include "hold/kernel_timer.h"
#include "hold/proc.h"
#include "hold/spawn.h"
#include "hold/tree.h"

namespace dcoord::hold {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Guard {
 public:
  Guard(Shared& shared, const StartState& start, int socket, pid_t supervisor)
      : shared_(shared), start_(start), socket_(socket), supervisor_(supervisor) {}

  [[noreturn]] void run() {
    set_up();
    for (;;) {
      wait();
      ++shared_.beat;
      // The clock first: after a pause nothing else may come before it.
      now_ = BootClock::now();
      if (started_) look_at_clock();
      read_messages();
      if (started_) collect();
      if (started_) {
        end_tree();
      } else if (closed_) {
        _exit(0);
      }
    }
  }

 private:
  void set_up() {
    // Not to be hit by `pkill -9 dcoord` together with the supervisor.
    rename_process("lease-guard");
    // When the supervisor dies: wakes this process if it is stopped. The closed socket tells the
    // rest.
    prctl(PR_SET_PDEATHSIG, SIGCONT);
    if (getppid() != supervisor_) _exit(0);
    if (shared_.stays) {
      setsid();
      // Those of the guards beside this one: with a copy of their supervisor's ends they would not
      // see it go.
      drop_private_descriptors(socket_);
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    count_work(&shared_.beat);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGCONT);
    signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals_ < 0) _exit(1);
  }

  void wait() {
    int timeout = -1;
    if (killing()) {
      timeout = static_cast<int>(TreeKiller::kPause.count());
    } else if (const TimePoint next = next_moment(); !timer_.arm(next) && next != kNever) {
      const auto left = std::chrono::ceil<milliseconds>(next - BootClock::now()).count();
      timeout = static_cast<int>(std::clamp<long long>(left, 0, 60'000));
    }
    pollfd fds[] = {{signals_, POLLIN, 0}, {closed_ ? -1 : socket_, POLLIN, 0}};
    poll(fds, 2, timeout);
    // What they mean is asked from the clock, the shared memory and waitpid.
    for (Collected signal; next_signal(signals_, signal);) {
    }
  }

  TimePoint next_moment() const {
    if (!started_) return kNever;
    const Deadline& d = shared_.deadline;
    if (d.ending() && !term_sent_) return now_;  // it began before the command did
    const TimePoint end = d.ending() ? d.kill_at() : std::min(d.term_at(), max_at_);
    return std::min({end, kill_at_, resume_check_at_});
  }

  void look_at_clock() {
    Deadline& d = shared_.deadline;
    d.end_if_due(now_);
    if (!d.ending() && now_ >= max_at_) d.end(Reason::max_time, add(now_, d.grace()));
    if (d.ending() && !term_sent_ && !killing()) {
      term_sent_ = true;
      terminate_tree();
    }
    if ((d.ending() && now_ >= d.kill_at()) || now_ >= kill_at_) begin_killing();
    if (now_ >= resume_check_at_) check_resumed();
  }

  void read_messages() {
    Message message{};
    while (!closed_) {
      int descriptors[2] = {-1, -1};
      const ssize_t n = receive(message, descriptors);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (n != sizeof message) {
        closed_ = true;
      } else if (message.kind == Message::start && !started_) {
        const bool input = (message.value & Message::kInput) != 0;
        const bool errors = (message.value & Message::kErrors) != 0;
        start_command(input ? descriptors[0] : -1, errors ? descriptors[input ? 1 : 0] : -1);
      } else if (message.kind == Message::forward) {
        forward(message.value);
      } else if (message.kind == Message::kill) {
        kill_at_ = now_;
      } else if (message.kind == Message::resume) {
        resume(message.value);
      } else if (message.kind == Message::leave && leaving_) {
        _exit(0);
      }
    }
  }

  /// Reads a message and the descriptors that came with it.
  ssize_t receive(Message& message, int (&descriptors)[2]) const {
    iovec part{&message, sizeof message};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptors)];
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t n = recvmsg(socket_, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const cmsghdr* const rights = n < 0 ? nullptr : CMSG_FIRSTHDR(&header);
    if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS) {
      memcpy(descriptors, CMSG_DATA(rights), rights->cmsg_len - CMSG_LEN(0));
    }
    return n;
  }

  void start_command(int input, int errors) {
    reset();
    started_ = true;
    if (shared_.max_time != kForever) max_at_ = add(now_, shared_.max_time);
    const pid_t self = getpid();
    const pid_t pid = spawn_command(shared_, start_, self, input, errors);
    const int why = errno;
    for (const int fd : {input, errors}) {
      if (fd >= 0) close(fd);
    }
    if (pid < 0) {
      shared_.exec_errno.store(why);
      finish(Ending::not_started, 0, true);
      return;
    }
    command_ = pid;
    shared_.command.store(pid);
    if (shared_.stays) return;
    // Only now: the command is in the shell's session and job group, and this process leaves both.
    // In the group it would be hit by what ends the group; and in the session it would keep the
    // group from being orphaned when the supervisor is the session's leader, so that ^Z would stop
    // the command with nobody there to continue it.
    setsid();
    [[maybe_unused]] const int at_root = chdir("/");  // no file system is kept busy by us
    // The command's descriptors stay open as long as the command wants, not as long as we live.
    const int keep[] = {socket_, signals_};
    drop_descriptors(keep, 2);
  }

  void forward(int signal) {
    if (command_ > 0) kill(shared_.own_group ? -command_ : command_, signal);
    const bool to_end =
        signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
    if (to_end && shared_.kill_after != kForever)
      kill_at_ = std::min(kill_at_, add(now_, shared_.kill_after));
  }

  /// The supervisor was continued alone. Asked here, where stops are seen in their order: a ^Z that
  /// comes right after `fg` must not be undone.
  void resume(int stop) {
    reap_tree({}, reaper(), true);
    if (command_ > 0 && stopped_ && stops_ == stop) kill(command_, SIGCONT);
  }

  /// Collects what ended or stopped, and acts on the command's own end.
  void collect() {
    const bool none = reap_tree({}, reaper(), true);
    if (command_ > 0 || leaving_) return;
    if (shared_.exec_errno.load() != 0) {
      finish(Ending::not_started, 0, true);
      return;
    }
    const bool all = shared_.tree != Tree::leave || shared_.deadline.ending();
    if (none || (all && services_.find())) {
      finish_tree(true);
      return;
    }
    if (shared_.tree == Tree::leave && !shared_.deadline.ending() && !killing()) {
      // What killed the command may have killed the supervisor in the same moment (`kill -KILL
      // -GROUP`); then nothing is left behind by intention. So it has to say that it lives.
      leaving_ = true;
      report(Ending::by_itself, status_, true, false);
    }
    if (shared_.tree == Tree::kill && !leftovers_told_ && !shared_.deadline.ending()) {
      leftovers_told_ = true;
      terminate_tree();
      kill_at_ = std::min(kill_at_, add(now_, shared_.deadline.grace()));
    }
  }

  void end_tree() {
    if (closed_) {
      shared_.deadline.end(Reason::lost, now_);
      begin_killing();
    }
    if (!killing()) return;
    // By its number too, for where /proc cannot be read.
    if (command_ > 0) kill(shared_.own_group ? -command_ : command_, SIGKILL);
    services_.find();
    if (killer_.step(services_.spared(), reaper()))
      finish_tree(true);
    else if (BootClock::now() >= give_up_at())
      finish_tree(false);
  }

  /// Somebody may be out of reach: other credentials, or stuck in the kernel. Past the lease's end
  /// there is nothing left to keep, only to tell.
  TimePoint give_up_at() const {
    const TimePoint end = shared_.deadline.valid_end();
    if (!shared_.deadline.ending() || end == kNever) return add(killing_since_, seconds(5));
    return std::max(end, add(killing_since_, seconds(1)));
  }

  void terminate_tree() {
    services_.find();
    signal_tree(SIGTERM, true, shared_.own_group ? command_ : 0, services_.spared());
  }
  bool killing() const { return killing_since_ != kNever; }
  void begin_killing() { killing_since_ = std::min(killing_since_, now_); }

  Reaper reaper() {
    const auto reaped = [](pid_t pid, int status, void* self) {
      static_cast<Guard*>(self)->changed(pid, status);
    };
    return {reaped, this};
  }
  void changed(pid_t pid, int status) {
    if (pid != command_) return;
    if (WIFSTOPPED(status)) {
      stopped_ = true;
      stops_ = (stops_ + 1) & 0xffffff;
      tell(Message::stopped, Message::stop_value(stops_, WSTOPSIG(status)));
    } else if (WIFCONTINUED(status)) {
      stopped_ = false;
      resume_check_at_ = add(now_, milliseconds(20));
    } else {
      status_ = status;
      command_ = 0;
      shared_.command.store(0);
    }
  }

  /// The command was continued by somebody who did not continue the supervisor, which had followed
  /// its stop: the lease must be renewed while it runs.
  void check_resumed() {
    resume_check_at_ = kNever;
    if (process_state(supervisor_) == 'T' && command_ > 0 && process_state(command_) != 'T')
      wake_supervisor();
  }

  void finish_tree(bool ended) {
    const Deadline& d = shared_.deadline;
    const Ending ending = !d.ending()                      ? Ending::by_itself
                          : d.reason() == Reason::max_time ? Ending::max_time
                          : d.reason() == Reason::stopped  ? Ending::stopped
                                                           : Ending::lost;
    finish(ending, status_, ended);
  }

  /// The command is over. Who stays does so only when nothing of its tree is left: what is, is the
  /// supervisor's when this process goes.
  void finish(Ending ending, int status, bool tree_ended) {
    const bool stays = shared_.stays && tree_ended && !leaving_ && !closed_;
    if (!leaving_) report(ending, status, tree_ended, stays);
    if (!stays) _exit(0);
    started_ = false;
  }

  /// From here on the memory is the supervisor's, if it `stays`, to prepare the next command in.
  void report(Ending ending, int status, bool tree_ended, bool stays) {
    Report& r = shared_.report;
    r.stays = stays;
    r.ending = ending;
    r.status = status;
    r.tree_ended = tree_ended;
    if (!tree_ended) describe_tree(r.survivors, sizeof r.survivors, services_.spared());
    shared_.reported.store(true);
    tell(Message::ended, 0);
    if (!shared_.stays) wake_supervisor();
  }

  /// As before the first command.
  void reset() {
    killer_ = TreeKiller();
    command_ = status_ = stops_ = 0;
    stopped_ = term_sent_ = leftovers_told_ = leaving_ = false;
    max_at_ = kill_at_ = killing_since_ = resume_check_at_ = kNever;
  }

  void tell(Message::Kind kind, int value) {
    const Message message{kind, value};
    if (!closed_) send(socket_, &message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  /// It may be stopped, as a job is, and has to see what became of its command.
  void wake_supervisor() {
    if (getppid() == supervisor_) kill(supervisor_, SIGCONT);
  }

  Shared& shared_;
  const StartState& start_;
  const int socket_;
  const pid_t supervisor_;
  int signals_ = -1;
  KernelTimer timer_;
  TreeKiller killer_;
  Services services_;
  TimePoint now_ = BootClock::now();
  bool closed_ = false;  // the supervisor is gone, or wants us gone
  bool started_ = false;
  pid_t command_ = 0;  // until it is reaped
  int status_ = 0;
  bool stopped_ = false;
  int stops_ = 0;
  bool term_sent_ = false;
  bool leftovers_told_ = false;
  bool leaving_ = false;  // reported, and waiting for Message::leave
  TimePoint max_at_ = kNever;
  TimePoint kill_at_ = kNever;  // asked for by the user, or after the command's own end
  TimePoint killing_since_ = kNever;
  TimePoint resume_check_at_ = kNever;
};

}  // namespace

void run_guard(Shared& shared, const StartState& start, int socket, pid_t supervisor) {
  Guard(shared, start, socket, supervisor).run();
}

}  // namespace dcoord::hold
