#include "hold/guard_link.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"
#include "hold/guard.h"
#include "hold/proc.h"

namespace dcoord::hold {
namespace {

using std::chrono::milliseconds;

Error no_guard(const char* what) {
  return Error(ExitCode::internal, "system",
               std::string("cannot start the guard process: ") + what + ": " + strerror(errno));
}

}  // namespace

bool GuardLink::fork() {
  if (pid_ > 0 && !used_ && !died()) return false;
  replace();
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    throw no_guard("socketpair");
  socket_.reset(ends[0]);
  const UniqueFd other(ends[1]);
  const pid_t self = getpid();
  // Nothing may reach the guard before it has its own arrangements.
  sigset_t all;
  sigset_t mask;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &mask);
  pid_ = ::fork();
  if (pid_ == 0) {
    close(ends[0]);
    run_guard(shared_, start_, ends[1], self);
  }
  const int why = errno;
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  if (pid_ > 0) return true;
  pid_ = 0;
  errno = why;
  throw no_guard("fork");
}

void GuardLink::replace() {
  if (died() || pid_ == 0) {
    // gone
  } else if (used_ && !shared_.reported.load()) {
    // It has a command: with the socket closed it ends it, which takes milliseconds.
    socket_.reset();
    poke();
    const timespec pause{0, 1'000'000};
    for (int i = 0; i < 2000 && !died(); ++i) nanosleep(&pause, nullptr);
  }
  if (pid_ > 0) {
    kill();
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  pid_ = 0;
  reset();
}

void GuardLink::reset() {
  used_ = false;
  sampled_at_ = kNever;
  shared_.command.store(0);
  shared_.exec_errno.store(0);
  shared_.reported.store(false);
  shared_.report = Report();
}

GuardLink::~GuardLink() { replace(); }

void GuardLink::tell(Message::Kind kind, int value) {
  send({kind, value}, nullptr, 0);
  poke();
}

void GuardLink::start(int input, int errors) {
  used_ = true;
  Message message{Message::start, 0};
  int descriptors[2];
  int count = 0;
  if (input >= 0) {
    message.value |= Message::kInput;
    descriptors[count++] = input;
  }
  if (errors >= 0) {
    message.value |= Message::kErrors;
    descriptors[count++] = errors;
  }
  send(message, descriptors, count);
  poke();
}

void GuardLink::send(const Message& message, const int* descriptors, int count) const {
  iovec part{const_cast<Message*>(&message), sizeof message};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
  if (count > 0) {
    const size_t size = static_cast<size_t>(count) * sizeof(int);
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(size);
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(rights), descriptors, size);
  }
  sendmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void GuardLink::release() {
  if (shared_.report.stays)
    reset();
  else
    tell(Message::leave);
}

void GuardLink::poke() const {
  if (pid_ > 0) ::kill(pid_, SIGCONT);
}

bool GuardLink::hear(Message& out) {
  ssize_t n = 0;
  do n = recv(socket_.get(), &out, sizeof out, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  return n == sizeof out;
}

bool GuardLink::died() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = 0;
  return pid_ == 0;
}

void GuardLink::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

Duration GuardLink::patience() const {
  return std::max<Duration>(shared_.deadline.margin() / 8, milliseconds(5));
}

bool GuardLink::stands_still(TimePoint now, TimePoint due) {
  if (now < due) {
    sampled_at_ = kNever;
    return false;
  }
  const char state = process_state(pid_);
  if (state == 'T' || state == 't') return true;
  const unsigned beat = shared_.beat.load();
  if (sampled_at_ == kNever || beat != sampled_beat_) {
    sampled_at_ = now;
    sampled_beat_ = beat;
    return false;
  }
  return now >= sampled_at_ + patience();
}

TimePoint GuardLink::next_check(TimePoint due) const {
  return sampled_at_ == kNever ? due : sampled_at_ + patience();
}

}  // namespace dcoord::hold
