#include "cli/queue_input.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/error.h"

namespace dcoord::cli {
namespace {

constexpr size_t kReadSize = 256 << 10;

}  // namespace

void refuse_large_item(long long number, size_t size, size_t max_size) {
  throw Error(ExitCode::data, "too_large",
              fmt::format("item {} has {}{} bytes, more than the {} that --max-size allows", number,
                          size > max_size + kReadSize ? "" : "at least ", size, max_size),
              "raise --max-size, or push the name of a file instead");
}

ItemReader::ItemReader(Loop& loop, int fd, Framing framing, size_t max_size)
    : loop_(loop), fd_(fd), framing_(framing), max_size_(max_size) {}

bool ItemReader::pop(std::string& item) {
  size_t end = std::string::npos;
  if (framing_ != Framing::whole) {
    const void* found = std::memchr(buffer_.data() + scanned_, framing_ == Framing::nul ? 0 : '\n',
                                    buffer_.size() - scanned_);
    if (found != nullptr)
      end = static_cast<size_t>(static_cast<const char*>(found) - buffer_.data());
  }
  const bool terminated = end != std::string::npos;
  if (!terminated) end = scanned_ = buffer_.size();
  if (end - start_ > max_size_) refuse_large_item(count_ + 1, end - start_, max_size_);
  if (!terminated) {
    // What stands behind the last end is an item if it is anything; a whole input always is.
    const bool last = at_end_ && (end > start_ || (framing_ == Framing::whole && count_ == 0));
    if (!last) return false;
  }
  item.assign(buffer_, start_, end - start_);
  start_ = scanned_ = terminated ? end + 1 : end;
  ++count_;
  return true;
}

bool ItemReader::ready() const {
  if (at_end_) return false;
  pollfd fd{fd_, POLLIN, 0};
  return poll(&fd, 1, 0) > 0;
}

Task<bool> ItemReader::fill(TimePoint until) {
  const bool ready = co_await loop_.readable(fd_, until);
  if (!ready) co_return false;
  buffer_.erase(0, start_);
  scanned_ -= start_;
  start_ = 0;
  const size_t had = buffer_.size();
  buffer_.resize(had + kReadSize);
  const ssize_t n = read(fd_, buffer_.data() + had, kReadSize);
  buffer_.resize(had + (n > 0 ? static_cast<size_t>(n) : 0));
  if (n < 0 && errno != EINTR && errno != EAGAIN) {
    throw Error(ExitCode::data, "input",
                fmt::format("cannot read the input: {}", std::strerror(errno)));
  }
  at_end_ = n == 0;
  co_return true;
}

}  // namespace dcoord::cli
