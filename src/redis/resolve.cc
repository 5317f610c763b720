#include "redis/resolve.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <system_error>
#include <thread>

#include "base/unique_fd.h"

namespace dcoord::redis {
namespace {

Address make_address(const void* data, size_t length) {
  Address address;
  std::memcpy(&address.storage, data, length);
  address.length = static_cast<socklen_t>(length);
  return address;
}

bool numeric(const std::string& host, int port, Lookup& result) {
  sockaddr_in v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(port));
    result.addresses.push_back(make_address(&v4, sizeof v4));
    return true;
  }
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<uint16_t>(port));
    result.addresses.push_back(make_address(&v6, sizeof v6));
    return true;
  }
  return false;
}

Lookup look_up(const std::string& host, int port) {
  Lookup result;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (error != 0) {
    result.error = error == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(error);
    return result;
  }
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
    result.addresses.push_back(make_address(at->ai_addr, at->ai_addrlen));
  }
  freeaddrinfo(list);
  if (result.addresses.empty()) result.error = "the name has no address";
  return result;
}

/// Shared by the thread and whoever waits for it; either may go first.
struct Shared {
  std::string host;
  int port = 0;
  Lookup result;
  UniqueFd done;  // the thread's end of a pipe: closing it publishes `result`
};

/// Starts the thread; its signals are blocked, so that none of the process's is handled there.
bool start_thread(const std::shared_ptr<Shared>& shared) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    std::thread([shared] {
      shared->result = look_up(shared->host, shared->port);
      shared->done.reset();
    }).detach();
  } catch (const std::system_error&) {
    started = false;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace

Task<Lookup> resolve(Loop& loop, std::string host, int port, TimePoint until) {
  Lookup result;
  if (numeric(host, port, result)) co_return result;

  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    result.error = std::strerror(errno);
    co_return result;
  }
  const UniqueFd finished(ends[0]);
  const auto shared = std::make_shared<Shared>();
  shared->host = std::move(host);
  shared->port = port;
  shared->done.reset(ends[1]);
  if (!start_thread(shared)) {
    result.error = "no thread for the name look-up";
    co_return result;
  }
  char byte;
  if (co_await loop.readable(finished.get(), until) && read(finished.get(), &byte, 1) == 0) {
    result = std::move(shared->result);
  } else {
    result.error = "the name look-up took too long";
  }
  co_return result;
}

Lookup unix_address(const std::string& path) {
  Lookup result;
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) {
    result.error = "the path is too long for a socket";
    return result;
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  result.addresses.push_back(
      make_address(&address, offsetof(sockaddr_un, sun_path) + path.size() + 1));
  return result;
}

}  // namespace dcoord::redis
