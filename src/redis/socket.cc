#include "redis/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace dcoord::redis {
namespace {

constexpr auto kNextAddressAfter = std::chrono::milliseconds(250);
constexpr auto kFullBacklogPause = std::chrono::milliseconds(20);

void set_option(int fd, int level, int name, int value) {
  // Best effort: without one of them the connection is slower to notice a dead peer, not wrong.
  (void)setsockopt(fd, level, name, &value, sizeof value);
}

void tune(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // A peer that is gone is noticed on an idle connection by keepalive, and by the user time-out
  // while data is under way; each needs the other.
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 5);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
#endif
#ifdef TCP_USER_TIMEOUT
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 10'000);
#endif
}

Connected failed(int error) {
  Connected result;
  result.error = std::strerror(error);
  return result;
}

Connected timed_out() {
  Connected result;
  result.timed_out = true;
  return result;
}

/// When nobody listens on a local port of the range that the kernel takes client ports from, a
/// client can be given that very port and meet itself.
bool connected_to_itself(int fd) {
  Address ours;
  Address theirs;
  ours.length = theirs.length = sizeof(sockaddr_storage);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&ours.storage), &ours.length) != 0) return false;
  if (ours.family() == AF_UNIX) return false;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&theirs.storage), &theirs.length) != 0)
    return false;
  return ours.length == theirs.length &&
         std::memcmp(&ours.storage, &theirs.storage, ours.length) == 0;
}

Task<Connected> connect_one(Loop& loop, const Address& address, TimePoint until) {
  Connected result;
  result.fd.reset(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!result.fd) co_return failed(errno);
  const int fd = result.fd.get();
  if (address.family() != AF_UNIX) tune(fd);
  while (connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0) {
    const int error = errno;
    if (error == EISCONN) break;
    if (error == EAGAIN) {
      // A unix socket whose backlog is full: nothing tells when there is room.
      if (loop.now() >= until) co_return timed_out();
      co_await loop.sleep_until(std::min(until, add(loop.now(), kFullBacklogPause)));
      continue;
    }
    if (error != EINPROGRESS && error != EINTR) co_return failed(error);
    if (!co_await loop.writable(fd, until)) co_return timed_out();
    break;
  }
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error == 0 && connected_to_itself(fd)) error = ECONNREFUSED;
  if (error != 0) co_return failed(error);
  co_return result;
}

/// One of several attempts that run side by side.
struct Attempt {
  Connected result;
  bool over = false;
  Task<void> task;
};

Task<void> run_attempt(Loop& loop, const Address& address, TimePoint until, Attempt& attempt,
                       Event& event) {
  attempt.result = co_await connect_one(loop, address, until);
  attempt.over = true;
  event.set();
}

}  // namespace

Task<Connected> connect_any(Loop& loop, std::vector<Address> addresses, TimePoint until) {
  if (addresses.size() == 1) co_return co_await connect_one(loop, addresses.front(), until);

  Event event(loop);
  std::vector<std::unique_ptr<Attempt>> attempts;
  Connected last = timed_out();
  TimePoint next_at = loop.now();
  size_t failures = 0;
  for (;;) {
    bool running = false;
    size_t over = 0;
    for (const auto& attempt : attempts) {
      if (!attempt->over) {
        running = true;
      } else if (attempt->result.fd) {
        co_return std::move(attempt->result);
      } else if (!attempt->result.error.empty()) {
        last = failed(0);
        last.error = attempt->result.error;
      }
      if (attempt->over) ++over;
    }
    const TimePoint now = loop.now();
    if (over > failures) next_at = now;
    failures = over;
    const bool more = attempts.size() < addresses.size();
    if (now >= until || (!running && !more)) co_return last;
    if (more && now >= next_at) {
      Attempt& attempt = *attempts.emplace_back(std::make_unique<Attempt>());
      attempt.task = run_attempt(loop, addresses[attempts.size() - 1], until, attempt, event);
      loop.start(attempt.task);
      next_at = add(now, kNextAddressAfter);
      continue;
    }
    co_await event.wait(more ? std::min(until, next_at) : until);
  }
}

Io send_some(int fd, std::string_view data) {
  Io io;
  const ssize_t n = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
  if (n >= 0) {
    io.bytes = static_cast<size_t>(n);
  } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    io.state = Io::State::want_write;
  } else {
    io.state = errno == EPIPE || errno == ECONNRESET ? Io::State::closed : Io::State::failed;
    io.error = std::strerror(errno);
  }
  return io;
}

Io receive_some(int fd, char* buffer, size_t size) {
  Io io;
  const ssize_t n = recv(fd, buffer, size, 0);
  if (n > 0) {
    io.bytes = static_cast<size_t>(n);
  } else if (n == 0) {
    io.state = Io::State::closed;
  } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    io.state = Io::State::want_read;
  } else {
    io.state = errno == ECONNRESET ? Io::State::closed : Io::State::failed;
    io.error = std::strerror(errno);
  }
  return io;
}

}  // namespace dcoord::redis
