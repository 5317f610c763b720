#include "cli/notifier.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/unique_fd.h"

namespace dcoord::cli {
namespace {

std::string take_variable(const char* name) {
  const char* const value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  unsetenv(name);
  return text;
}

std::optional<long long> number(const std::string& text) {
  long long n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

}  // namespace

Notifier::Notifier(Loop& loop) : loop_(loop), socket_(take_variable("NOTIFY_SOCKET")) {
  const auto usec = number(take_variable("WATCHDOG_USEC"));
  const std::string pid = take_variable("WATCHDOG_PID");
  const bool ours = pid.empty() || number(pid) == getpid();
  if (usec && *usec > 0 && ours) interval_ = std::chrono::microseconds(*usec);
}

Notifier::~Notifier() { tell("STOPPING=1"); }

void Notifier::tell(const std::string& lines) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.empty() || socket_.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_[0] == '@') address.sun_path[0] = '\0';  // an abstract socket
  const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  sendto(fd.get(), lines.data(), lines.size(), MSG_NOSIGNAL,
         reinterpret_cast<const sockaddr*>(&address), length);
}

void Notifier::watch(std::function<bool()> alive) {
  alive_ = std::move(alive);
  if (socket_.empty() || !interval_ || feeding_) return;
  feeding_ = feed();
  loop_.start(feeding_);
}

Task<void> Notifier::feed() {
  while (true) {
    if (alive_()) tell("WATCHDOG=1");
    co_await loop_.sleep(*interval_ / 2);
  }
}

}  // namespace dcoord::cli
