#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dcoord::redis {

/// An owned RESP2 reply. Accessors throw Error (internal) when the reply is not what they are asked
/// for: a script and its caller disagree.
class Reply {
 public:
  enum class Type { nil, status, error, integer, string, array };

  static Reply nil() { return Reply(); }
  static Reply status(std::string text) { return Reply(Type::status, std::move(text)); }
  static Reply error(std::string text) { return Reply(Type::error, std::move(text)); }
  static Reply string(std::string text) { return Reply(Type::string, std::move(text)); }
  static Reply integer(int64_t n);
  static Reply array(std::vector<Reply> elements);

  Reply() = default;

  Type type() const { return type_; }
  bool is_nil() const { return type_ == Type::nil; }
  bool is_error() const { return type_ == Type::error; }
  bool is_array() const { return type_ == Type::array; }
  /// The text of a string, status or error.
  const std::string& text() const;
  /// An integer reply, or a string that is a whole decimal number.
  int64_t number() const;
  size_t size() const { return elements_.size(); }
  /// Element `i` of an array; throws when there is none.
  const Reply& at(size_t i) const;
  const std::vector<Reply>& elements() const { return elements_; }
  /// The first word of an array of strings, which tells what happened; "" for other replies.
  std::string_view word() const;

 private:
  Reply(Type type, std::string text) : type_(type), text_(std::move(text)) {}

  Type type_ = Type::nil;
  int64_t integer_ = 0;
  std::string text_;
  std::vector<Reply> elements_;
};

}  // namespace dcoord::redis
