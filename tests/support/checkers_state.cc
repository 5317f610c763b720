#include <algorithm>
#include <optional>
#include <set>

#include "support/checkers.h"

namespace dcoord::testing {
namespace {

/// A value as one order of the operations makes it.
struct Value {
  bool present = false;
  std::string bytes;
  int64_t version = 0;  ///< the newest that is known; after a write without an answer a lower bound
  bool exact = true;
  std::string key() const {
    return std::to_string(present) + (exact ? "=" : ">") + std::to_string(version) + bytes;
  }
};

bool known_version(const Operation& o, const Value& v) {
  const int64_t told = o.number("version");
  return v.exact ? told == v.version : told > v.version;
}

std::string sum(const Value& v, const Operation& o) {
  return std::to_string((v.present ? std::stoll(v.bytes) : 0) + o.number("by", 1));
}

/// What a write makes of the value.
Value written(const Value& v, const Operation& o) {
  Value next;
  next.present = o.what != "delete";
  next.bytes = o.what == "incr" ? sum(v, o) : o.what == "set" ? o.value("value") : "";
  next.exact = o.done();
  next.version = o.done() ? o.number("version") : v.version;
  return next;
}

/// Whether the conditions of a write hold.
bool allowed(const Operation& o, const Value& v) {
  const std::string& wanted = o.value("if_version");
  if (wanted == "0" && v.present) return false;
  if (!wanted.empty() && wanted != "0" &&
      !(v.present && v.exact && std::stoll(wanted) == v.version))
    return false;
  if (o.with.contains("if_value") && !(v.present && v.bytes == o.value("if_value"))) return false;
  return !(o.what == "delete" && !v.present);
}

/// The value after the operation, if its answer could be that.
std::optional<Value> apply(const Operation& o, const Value& v) {
  if (o.what == "get") {
    if (!o.done()) return v;
    if (v.present != (o.number("absent") == 0)) return std::nullopt;
    if (v.present && (v.bytes != o.value("value") || !known_version(o, v))) return std::nullopt;
    Value seen = v;
    if (v.present) seen.version = o.number("version"), seen.exact = true;
    return seen;
  }
  if (o.outcome == Operation::Outcome::refused)
    return allowed(o, v) && v.exact ? std::nullopt : std::optional(v);
  if (!allowed(o, v) && (v.exact || o.value("if_version").empty())) return std::nullopt;
  const Value next = written(v, o);
  if (o.done() && next.version <= v.version) return std::nullopt;
  if (o.done() && o.what == "incr" && next.bytes != o.value("number")) return std::nullopt;
  return next;
}

/// Looks for an order, as Wing and Gong do, remembering what led nowhere.
class Search {
 public:
  explicit Search(std::vector<const Operation*> operations)
      : operations_(std::move(operations)), taken_(operations_.size(), '0') {}

  bool from(const Value& v) {
    int64_t first_return = Operation::kNoReturn;
    bool open = false;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (taken_[i] == '1' || operations_[i]->outcome == Operation::Outcome::unknown) continue;
      open = true;
      first_return = std::min(first_return, operations_[i]->returned);
    }
    if (!open) return true;  // those without an answer may never have taken effect
    if (!seen_.insert(taken_ + v.key()).second) return false;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (taken_[i] == '1' || operations_[i]->invoke > first_return) continue;
      const auto next = apply(*operations_[i], v);
      if (!next) continue;
      taken_[i] = '1';
      if (from(*next)) return true;
      taken_[i] = '0';
    }
    return false;
  }

 private:
  std::vector<const Operation*> operations_;
  std::string taken_;
  std::set<std::string> seen_;
};

}  // namespace

Violations check_state(const History& history) {
  Violations out;
  std::vector<const Operation*> operations;
  std::map<int64_t, const Operation*> writers;
  for (const Operation& o : history) {
    const bool writes = o.what == "set" || o.what == "delete" || o.what == "incr";
    if (!writes && o.what != "get") continue;
    operations.push_back(&o);
    if (!writes || !o.done()) continue;
    const auto [at, fresh] = writers.emplace(o.number("version"), &o);
    if (!fresh) out.push_back({"state.version_reused", at->second->id + " and " + o.id});
  }
  for (const Operation* a : operations) {
    for (const Operation* b : operations) {
      if (a->done() && b->done() && a->returned < b->invoke && b->what != "get" &&
          b->number("version") < a->number("version")) {
        out.push_back({"state.version_fell", a->id + " before " + b->id});
      }
    }
  }
  if (!Search(operations).from(Value())) {
    out.push_back({"state.not_linearizable", "no order of its " +
                                                 std::to_string(operations.size()) +
                                                 " operations explains all answers"});
  }
  return out;
}

}  // namespace dcoord::testing
