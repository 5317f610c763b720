#include "redis/reply.h"

#include <charconv>

#include "base/error.h"

namespace dcoord::redis {
namespace {

const char* name(Reply::Type type) {
  switch (type) {
    case Reply::Type::nil:
      return "nil";
    case Reply::Type::status:
      return "a status";
    case Reply::Type::error:
      return "an error";
    case Reply::Type::integer:
      return "an integer";
    case Reply::Type::string:
      return "a string";
    case Reply::Type::array:
      return "an array";
  }
  return "?";
}

Error unexpected(const Reply& reply, const std::string& wanted) {
  std::string got = name(reply.type());
  if (reply.is_error()) got += " (" + reply.text() + ")";
  return internal_error("unexpected reply from a script: " + wanted + " wanted, got " + got);
}

}  // namespace

Reply Reply::integer(int64_t n) {
  Reply reply(Type::integer, {});
  reply.integer_ = n;
  return reply;
}

Reply Reply::array(std::vector<Reply> elements) {
  Reply reply(Type::array, {});
  reply.elements_ = std::move(elements);
  return reply;
}

const std::string& Reply::text() const {
  if (type_ != Type::string && type_ != Type::status && type_ != Type::error) {
    throw unexpected(*this, "a text");
  }
  return text_;
}

int64_t Reply::number() const {
  if (type_ == Type::integer) return integer_;
  if (type_ == Type::string) {
    int64_t n = 0;
    const char* const end = text_.data() + text_.size();
    const auto [stop, error] = std::from_chars(text_.data(), end, n);
    if (error == std::errc() && stop == end && !text_.empty()) return n;
  }
  throw unexpected(*this, "a whole number");
}

const Reply& Reply::at(size_t i) const {
  if (type_ != Type::array) throw unexpected(*this, "an array");
  if (i >= elements_.size()) {
    throw internal_error("unexpected reply from a script: element " + std::to_string(i) +
                         " wanted, it has " + std::to_string(elements_.size()));
  }
  return elements_[i];
}

std::string_view Reply::word() const {
  if (type_ != Type::array || elements_.empty()) return {};
  const Reply& first = elements_.front();
  return first.type_ == Type::string || first.type_ == Type::status ? std::string_view(first.text_)
                                                                    : std::string_view();
}

}  // namespace dcoord::redis
