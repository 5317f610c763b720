#include "cli/command_errors.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/log_bytes.h"

namespace dcoord::cli {
namespace {

constexpr size_t kTail = 4096;
// A pipe that is ready takes so much without blocking.
constexpr size_t kPart = 4096;

}  // namespace

CommandErrors::CommandErrors(Loop& loop) : loop_(loop) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    throw Error(ExitCode::internal, "system",
                std::string("cannot make a pipe: ") + std::strerror(errno));
  }
  read_end_.reset(ends[0]);
  write_end_.reset(ends[1]);
  // Only our end: that of the command is as commands expect it.
  fcntl(read_end_.get(), F_SETFL, O_NONBLOCK);
  passing_ = pass_on();
  loop_.start(passing_);
}

bool CommandErrors::read_some(std::string& bytes) {
  char buffer[kPart];
  const ssize_t n = read(read_end_.get(), buffer, sizeof buffer);
  if (n <= 0) return false;
  bytes.assign(buffer, static_cast<size_t>(n));
  tail_ += bytes;
  if (tail_.size() > 2 * kTail) tail_.erase(0, tail_.size() - kTail);
  return true;
}

Task<void> CommandErrors::pass_on() {
  std::string bytes;
  while (true) {
    co_await loop_.readable(read_end_.get());
    if (!read_some(bytes)) continue;
    co_await loop_.writable(STDERR_FILENO);
    log::pass_on(bytes);
  }
}

Task<void> CommandErrors::finish() {
  std::string bytes;
  while (read_some(bytes)) {
    co_await loop_.writable(STDERR_FILENO);
    log::pass_on(bytes);
  }
}

std::string CommandErrors::tail() const {
  if (tail_.size() <= kTail) return tail_;
  const std::string end = tail_.substr(tail_.size() - kTail);
  const size_t line = end.find('\n');
  return line < kTail / 2 ? end.substr(line + 1) : end;
}

}  // namespace dcoord::cli
