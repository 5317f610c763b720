#include "support/peer.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/server.h"

namespace dcoord::testing {
namespace {

UniqueFd connect_server(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fd.reset();
  return fd;
}

/// Closes with a reset instead of an orderly end.
void reset(UniqueFd& fd) {
  const linger now{1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd.reset();
}

void send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    data.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace

struct Peer::Link {
  UniqueFd client;
  UniqueFd server;
  Fault fault;
  bool passing = false;  // the fault's time has not come
  size_t replied = 0;
  std::string held;
};

Peer::Peer(std::string server_socket) : server_socket_(std::move(server_socket)) {
  listener_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  int ends[2];
  if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      listen(listener_.get(), 64) != 0 ||
      getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
      pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::runtime_error(std::strerror(errno));
  }
  port_ = ntohs(address.sin_port);
  wake_read_.reset(ends[0]);
  wake_write_.reset(ends[1]);
  thread_ = std::thread([this] { run(); });
}

Peer::~Peer() {
  ending_ = true;
  wake();
  thread_.join();
}

void Peer::wake() {
  const char byte = 0;
  if (write(wake_write_.get(), &byte, 1) < 0) return;  // full: it wakes anyway
}

void Peer::plan(int nth, Fault fault) {
  const std::lock_guard lock(mutex_);
  plans_[connections_ + nth] = std::move(fault);
}

void Peer::release() {
  released_ = true;
  wake();
}

void Peer::reset_all() {
  reset_all_ = true;
  wake();
  wait_until([&] { return !reset_all_; });
}

void Peer::say(std::string text) {
  {
    const std::lock_guard lock(mutex_);
    say_ = std::move(text);
  }
  wake();
  wait_until([&] {
    const std::lock_guard lock(mutex_);
    return say_.empty();
  });
}

void Peer::run() {
  std::vector<std::unique_ptr<Link>> links;
  while (!ending_) {
    std::vector<pollfd> fds{{listener_.get(), POLLIN, 0}, {wake_read_.get(), POLLIN, 0}};
    for (const auto& link : links) {
      fds.push_back({link->client.get(), POLLIN, 0});
      fds.push_back({link->server.get(), POLLIN, 0});
    }
    if (poll(fds.data(), fds.size(), -1) < 0) continue;
    char bytes[64];
    if (fds[1].revents != 0 && read(wake_read_.get(), bytes, sizeof bytes) < 0) continue;
    if (reset_all_) {
      for (auto& link : links) reset(link->client);
      links.clear();
      reset_all_ = false;
      continue;
    }
    {
      const std::lock_guard lock(mutex_);
      for (const auto& link : links) send_all(link->client.get(), say_);
      say_.clear();
    }
    size_t at = 2;
    std::erase_if(links, [&](const std::unique_ptr<Link>& link) {
      const short client_events = fds[at].revents;
      const short server_events = fds[at + 1].revents;
      at += 2;
      return !serve(*link, client_events, server_events);
    });
    if (fds[0].revents == 0) continue;
    auto link = std::make_unique<Link>();
    link->client.reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    link->server = connect_server(server_socket_);
    {
      const std::lock_guard lock(mutex_);
      const auto found = plans_.find(connections_++);
      if (found != plans_.end()) link->fault = found->second;
    }
    links.push_back(std::move(link));
  }
}

/// False when the connection is over.
bool Peer::serve(Link& link, short client_events, short server_events) {
  if (released_ && !link.held.empty()) {
    send_all(link.client.get(), std::exchange(link.held, {}));
    link.fault.kind = Fault::Kind::none;
  }
  if (client_events != 0 && !on_request(link)) return false;
  return server_events == 0 || on_reply(link);
}

bool Peer::on_request(Link& link) {
  char buffer[65536];
  const ssize_t n = read(link.client.get(), buffer, sizeof buffer);
  if (n <= 0) return false;
  const std::string_view request(buffer, static_cast<size_t>(n));
  link.passing = link.fault.skip > 0;
  if (link.passing) {
    --link.fault.skip;
    send_all(link.server.get(), request);
    return true;
  }
  if (link.fault.kind == Fault::Kind::refuse) {
    ++faults_;
    send_all(link.client.get(), link.fault.text);
    if (link.fault.once) link.fault.kind = Fault::Kind::none;
    return true;
  }
  if (link.fault.kind == Fault::Kind::reset_request) {
    ++faults_;
    reset(link.client);
    return false;
  }
  if (link.fault.kind == Fault::Kind::silence) {
    ++faults_;
    return true;
  }
  if (link.fault.kind == Fault::Kind::cut_request) {
    const size_t passed = std::min(request.size(), link.fault.bytes);
    send_all(link.server.get(), request.substr(0, passed));
    link.fault.bytes -= passed;
    if (link.fault.bytes > 0) return true;
    ++faults_;
    reset(link.client);
    return false;
  }
  send_all(link.server.get(), request);
  return true;
}

bool Peer::on_reply(Link& link) {
  char buffer[65536];
  const ssize_t n = read(link.server.get(), buffer, sizeof buffer);
  if (n <= 0) return false;
  const std::string_view reply(buffer, static_cast<size_t>(n));
  switch (link.passing ? Fault::Kind::none : link.fault.kind) {
    case Fault::Kind::reset_reply:
    case Fault::Kind::close_reply: {
      const size_t passed = std::min(reply.size(), link.fault.bytes - link.replied);
      send_all(link.client.get(), reply.substr(0, passed));
      link.replied += passed;
      if (link.replied < link.fault.bytes) return true;
      ++faults_;
      if (link.fault.kind == Fault::Kind::reset_reply) reset(link.client);
      return false;
    }
    case Fault::Kind::garbage:
      ++faults_;
      send_all(link.client.get(), link.fault.text);
      return true;
    case Fault::Kind::hold_reply:
      ++faults_;
      link.held += reply;
      if (released_) send_all(link.client.get(), std::exchange(link.held, {}));
      return true;
    default:
      send_all(link.client.get(), reply);
      return true;
  }
}

}  // namespace dcoord::testing
