#include "redis/protocol.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <charconv>
#include <new>

#include "base/error.h"

namespace dcoord::redis {
namespace {

Reply convert(const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_STATUS:
      return Reply::status(std::string(reply.str, static_cast<size_t>(reply.len)));
    case REDIS_REPLY_ERROR:
      return Reply::error(std::string(reply.str, static_cast<size_t>(reply.len)));
    case REDIS_REPLY_STRING:
      return Reply::string(std::string(reply.str, static_cast<size_t>(reply.len)));
    case REDIS_REPLY_INTEGER:
      return Reply::integer(reply.integer);
    case REDIS_REPLY_ARRAY: {
      std::vector<Reply> elements;
      elements.reserve(reply.elements);
      for (size_t i = 0; i < reply.elements; ++i) elements.push_back(convert(*reply.element[i]));
      return Reply::array(std::move(elements));
    }
    default:
      return Reply::nil();
  }
}

/// The number in a header line; nothing when it is not one. -1 (nil) becomes `nil`.
std::optional<size_t> count_in(std::string_view digits, bool& nil) {
  nil = digits == "-1";
  if (nil) return 0;
  size_t n = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, n);
  if (digits.empty() || error == std::errc::invalid_argument || stop != end) return std::nullopt;
  return error == std::errc() ? n : SIZE_MAX;
}

}  // namespace

void append_command(std::string& out, const std::vector<std::string_view>& words) {
  std::vector<const char*> data;
  std::vector<size_t> lengths;
  data.reserve(words.size());
  lengths.reserve(words.size());
  for (const auto word : words) {
    data.push_back(word.data() == nullptr ? "" : word.data());
    lengths.push_back(word.size());
  }
  char* formatted = nullptr;
  const auto length = redisFormatCommandArgv(&formatted, static_cast<int>(data.size()), data.data(),
                                             lengths.data());
  if (length < 0) throw std::bad_alloc();
  out.append(formatted, static_cast<size_t>(length));
  redisFreeCommand(formatted);
}

void ReplyReader::Free::operator()(redisReader* reader) const { redisReaderFree(reader); }

ReplyReader::ReplyReader(ReplyLimits limits) : limits_(limits), reader_(redisReaderCreate()) {
  if (!reader_) throw std::bad_alloc();
}
ReplyReader::~ReplyReader() = default;
ReplyReader::ReplyReader(ReplyReader&&) noexcept = default;
ReplyReader& ReplyReader::operator=(ReplyReader&&) noexcept = default;

bool ReplyReader::fail(std::string why) {
  error_ = std::move(why);
  return false;
}

bool ReplyReader::feed(std::string_view bytes) {
  if (!error_.empty() || !scan(bytes)) return false;
  if (redisReaderFeed(reader_.get(), bytes.data(), bytes.size()) != REDIS_OK)
    return fail(reader_->errstr);
  return true;
}

std::optional<Reply> ReplyReader::next() {
  if (!error_.empty() || complete_ == 0) return std::nullopt;
  void* raw = nullptr;
  if (redisReaderGetReply(reader_.get(), &raw) != REDIS_OK) {
    fail(reader_->errstr);
    return std::nullopt;
  }
  if (raw == nullptr) {
    fail("a reply ends where it should not");
    return std::nullopt;
  }
  const std::unique_ptr<void, void (*)(void*)> owner(raw, freeReplyObject);
  --complete_;
  return convert(*static_cast<redisReply*>(raw));
}

/// Follows the structure of the replies without keeping anything but the current header line, so
/// that what they announce is known before hiredis sets memory aside for it.
bool ReplyReader::scan(std::string_view bytes) {
  while (!bytes.empty()) {
    size_t taken = 0;
    if (body_ > 0) {
      taken = std::min(body_, bytes.size());
      body_ -= taken;
    } else {
      const size_t end = bytes.find('\n');
      taken = end == std::string_view::npos ? bytes.size() : end + 1;
      line_ += bytes.substr(0, taken);
      if (line_.size() > limits_.line) return fail("a line of its reply is too long");
    }
    bytes.remove_prefix(taken);
    total_ += taken;
    if (total_ > limits_.total)
      return fail(fmt::format("its reply is larger than {} bytes", limits_.total));
    if (!line_.empty() && !line()) return false;
  }
  return true;
}

/// Looks at the line in line_, which may not have come to its end yet.
bool ReplyReader::line() {
  const bool ended = line_.ends_with("\r\n");
  if (after_body_) {
    if (line_ == "\r") return true;
    if (line_ != "\r\n") return fail("a string of its reply is longer than announced");
    after_body_ = false;
    element_done();
  } else {
    if (std::string_view("+-:$*").find(line_[0]) == std::string_view::npos) {
      return fail("it does not speak the Redis protocol");
    }
    if (!ended) return true;
    if (!header(std::string_view(line_).substr(0, line_.size() - 2))) return false;
  }
  line_.clear();
  return true;
}

bool ReplyReader::header(std::string_view line) {
  if (line[0] != '$' && line[0] != '*') {
    element_done();
    return true;
  }
  bool nil = false;
  const auto count = count_in(line.substr(1), nil);
  if (!count) return fail("a length in its reply is not a number");
  if (line[0] == '$') {
    if (*count > limits_.bulk)
      return fail(fmt::format("a string of its reply is larger than {} bytes", limits_.bulk));
    if (nil) {
      element_done();
    } else {
      body_ = *count;
      after_body_ = true;
    }
    return true;
  }
  if (*count > limits_.elements - elements_) return fail("its reply has too many elements");
  if (nil || *count == 0) {
    element_done();
    return true;
  }
  if (open_.size() >= limits_.depth) return fail("its reply is nested too deeply");
  // Those announced count at once, so that arrays within arrays cannot announce more than the limit
  // together.
  elements_ += *count;
  open_.push_back(*count);
  return true;
}

void ReplyReader::element_done() {
  while (!open_.empty()) {
    if (--open_.back() > 0) return;
    open_.pop_back();
  }
  ++complete_;
  elements_ = 0;
  total_ = 0;
}

}  // namespace dcoord::redis
