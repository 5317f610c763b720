#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redis/reply.h"

struct redisReader;

namespace dcoord::redis {

/// Appends one command in the form that the server reads.
void append_command(std::string& out, const std::vector<std::string_view>& words);

/// What a server may make us hold for one reply.
struct ReplyLimits {
  size_t elements = 1'000'000;     ///< of all its arrays together
  size_t depth = 8;                ///< arrays within arrays
  size_t bulk = size_t{64} << 20;  ///< bytes of one string
  size_t line = size_t{64} << 10;  ///< bytes of a status or an error
  size_t total = size_t{256} << 20;
};

/// Takes the bytes of a connection as they come and gives the replies in them (RESP2). Everything a
/// reply announces is checked before memory is set aside for it. After an error it gives nothing
/// any more.
class ReplyReader {
 public:
  explicit ReplyReader(ReplyLimits limits = ReplyLimits());
  ~ReplyReader();
  ReplyReader(ReplyReader&&) noexcept;
  ReplyReader& operator=(ReplyReader&&) noexcept;

  /// False when the bytes are not a reply or are beyond the limits: error() says which.
  bool feed(std::string_view bytes);
  /// The next whole reply.
  std::optional<Reply> next();
  const std::string& error() const { return error_; }
  /// Whether bytes were fed that no reply was given for yet.
  bool pending() const { return complete_ > 0 || total_ > 0; }

 private:
  bool scan(std::string_view bytes);
  bool line();
  bool header(std::string_view line);
  bool fail(std::string why);
  void element_done();

  struct Free {
    void operator()(redisReader* reader) const;
  };
  ReplyLimits limits_;
  std::unique_ptr<redisReader, Free> reader_;
  std::string error_;
  std::string line_;          // of a header, as far as it has come
  std::vector<size_t> open_;  // elements that each open array still lacks
  size_t body_ = 0;           // bytes of a string still to come
  bool after_body_ = false;   // the line end behind a string is next
  size_t elements_ = 0;       // announced in the current reply
  size_t total_ = 0;          // bytes of the current reply so far
  size_t complete_ = 0;       // whole replies not yet given
};

}  // namespace dcoord::redis
