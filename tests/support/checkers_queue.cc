#include <algorithm>
#include <set>

#include "support/checkers.h"

namespace dcoord::testing {
namespace {

/// All that a history tells of one item.
struct Item {
  const Operation* push = nullptr;
  std::vector<const Operation*> takes;
  std::vector<const Operation*> acks;  // done
  bool perhaps_done = false;           // an acknowledgement without an answer
  std::vector<const Operation*> found;
};

class QueueCheck {
 public:
  explicit QueueCheck(const History& history) {
    for (const Operation& o : history) gather(o);
    for (const Operation& o : history) {
      if (o.what == "ack") acknowledge(o);
      if (o.what == "nack" || o.what == "leave") given_back_.emplace(o.value("receipt"), &o);
    }
    for (const auto& [name, item] : items_) check(name, item);
  }

  Violations take() { return std::move(out_); }

 private:
  void flag(const char* name, const std::string& text) { out_.push_back({name, text}); }

  void gather(const Operation& o) {
    const std::string& name = o.value("item");
    if (o.what == "push") items_[name].push = &o;
    if (o.what == "found") items_[name].found.push_back(&o);
    if (o.what != "take") return;
    receipts_.insert(o.value("receipt"));
    if (!o.done()) return;
    items_[name].takes.push_back(&o);
    const auto [at, fresh] = item_of_.emplace(o.value("receipt"), name);
    if (!fresh && at->second != name)
      flag("queue.same_receipt", o.value("receipt") + " is of " + at->second + " and of " + name);
  }

  void acknowledge(const Operation& o) {
    const auto item = item_of_.find(o.value("receipt"));
    if (item == item_of_.end()) {
      if (o.done() && !receipts_.contains(o.value("receipt")))
        flag("queue.acked_without_delivery", o.value("receipt"));
    } else if (o.done()) {
      items_[item->second].acks.push_back(&o);
    } else if (o.outcome == Operation::Outcome::unknown) {
      items_[item->second].perhaps_done = true;
    }
  }

  void check(const std::string& name, const Item& item) {
    const bool there = !item.found.empty() || !item.takes.empty();
    if (item.push == nullptr) {
      flag("queue.invented", name + " was never pushed");
      return;
    }
    if (item.push->outcome == Operation::Outcome::refused && there)
      flag("queue.refused_but_there", name);
    if (item.found.size() > 1) flag("queue.in_two_places", name);
    if (item.acks.size() > 1) flag("queue.done_twice", name);
    if (!item.acks.empty() && !item.found.empty()) flag("queue.done_and_kept", name);
    if (item.push->done() && item.acks.empty() && item.found.empty() && !item.perhaps_done)
      flag("queue.lost", name);
    for (const Operation* ack : item.acks) {
      for (const Operation* take : item.takes) {
        if (take->invoke > ack->returned) flag("queue.delivered_after_done", name);
      }
    }
    for (const Operation* first : item.takes) {
      for (const Operation* second : item.takes) check_pair(name, *first, *second);
    }
  }

  void check_pair(const std::string& name, const Operation& first, const Operation& second) {
    if (first.value("receipt") == second.value("receipt") || first.returned > second.invoke) return;
    if (second.number("attempt") < first.number("attempt")) flag("queue.attempt_fell", name);
    const auto [from, to] = given_back_.equal_range(first.value("receipt"));
    const bool given_back = std::any_of(
        from, to, [&](const auto& entry) { return entry.second->invoke < second.returned; });
    if (!given_back && second.number("attempt") == first.number("attempt") &&
        first.number("lease_end") > 0)
      flag("queue.attempt_not_counted", name);
    if (!given_back && second.returned < first.number("lease_end"))
      flag("queue.delivered_early", name + " to " + first.id + " and " + second.id);
  }

  std::map<std::string, Item> items_;
  std::map<std::string, std::string> item_of_;  // receipt -> item
  std::set<std::string> receipts_;
  std::multimap<std::string, const Operation*> given_back_;
  Violations out_;
};

}  // namespace

Violations check_queue(const History& history) { return QueueCheck(history).take(); }

}  // namespace dcoord::testing
