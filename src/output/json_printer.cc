#include <ctime>
#include <nlohmann/json.hpp>

#include "output/printers.h"

namespace dcoord::output {
namespace {

using Json = nlohmann::ordered_json;
using primitives::LockParty;
using primitives::LockView;

/// RFC 3339 in UTC, with milliseconds.
std::string rfc3339(Millis since_epoch) {
  const auto seconds = static_cast<time_t>(since_epoch.count() / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  char millis[8];
  std::snprintf(millis, sizeof millis, ".%03dZ", static_cast<int>(since_epoch.count() % 1000));
  return std::string(text, n) + millis;
}

Json identity(const LockParty& p) {
  Json j;
  j["id"] = holder_id(p);
  j["owner"] = p.who.owner;
  j["host"] = p.who.host;
  j["pid"] = p.who.pid;
  j["user"] = p.who.user;
  j["command"] = p.who.command;
  if (!p.who.label.empty()) j["label"] = p.who.label;
  if (!p.who.link.empty()) j["link"] = p.who.link;
  j["mode"] = mode_word(p.mode);
  j["since"] = rfc3339(p.since);
  return j;
}

Json to_json(const LockView& lock) {
  Json j;
  j["name"] = lock.name;
  j["state"] = state_word(lock.state);
  j["mode"] = mode_word(lock.mode);
  j["fence"] = lock.fence;
  if (lock.limit > 0) j["slots"] = lock.limit;
  if (!lock.pool.empty()) j["pool"] = lock.pool;
  j["holders"] = Json::array();
  for (const auto& p : lock.holders) {
    Json holder = identity(p);
    holder["held_ms"] = (lock.server_time - p.since).count();
    holder["lease_ms"] = p.lease_left.count();
    holder["fence"] = p.fence;
    holder["slot"] = lock.limit > 0 ? Json(p.slot) : Json(nullptr);
    if (p.slot >= 0 && static_cast<size_t>(p.slot) < lock.pool.size()) {
      holder["resource"] = lock.pool[static_cast<size_t>(p.slot)];
    }
    if (p.offered) holder["offered"] = true;
    if (p.revoked) holder["revoked"] = true;
    if (p.nested) holder["nested"] = true;
    if (p.resting) holder["resting"] = true;
    j["holders"].push_back(std::move(holder));
  }
  j["waiting"] = lock.waiting;
  j["waiters"] = Json::array();
  for (const auto& p : lock.waiters) {
    Json waiter = identity(p);
    waiter["waited_ms"] = (lock.server_time - p.since).count();
    j["waiters"].push_back(std::move(waiter));
  }
  j["acquired"] = lock.acquired;
  j["contended"] = lock.contended;
  j["lost"] = lock.lost;
  j["timed_out"] = lock.timed_out;
  return j;
}

Json to_json(const Record& record) {
  Json j = Json::object();
  for (const auto& [name, value] : record.fields) {
    std::visit([&, &key = name](const auto& v) { j[key] = v; }, value);
  }
  return j;
}

class JsonPrinter : public Printer {
 public:
  void print(const Record& record) override { write(to_json(record)); }
  void print(const std::vector<Record>& records) override { write_array(records); }
  void print(const LockView& lock) override { write(to_json(lock)); }
  void print(const std::vector<LockView>& locks) override { write_array(locks); }
  void print(const Acquired& a) override {
    Json j;
    j["name"] = a.name;
    j["token"] = a.token;
    j["fence"] = a.fence;
    if (a.slot >= 0) j["slot"] = a.slot;
    if (!a.resource.empty()) j["resource"] = a.resource;
    j["lease_ms"] = a.lease_ms;
    j["waited_ms"] = a.waited_ms;
    j["owner"] = a.owner;
    j["held"] = a.held;
    write(j);
  }

 private:
  template <class T>
  void write_array(const std::vector<T>& items) {
    Json j = Json::array();
    for (const auto& item : items) j.push_back(to_json(item));
    write(j);
  }
  // What is not UTF-8 (a host name, a command) must not make the output invalid.
  void write(const Json& j) {
    write_out(j.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  }
};

}  // namespace

std::unique_ptr<Printer> make_json_printer() { return std::make_unique<JsonPrinter>(); }

}  // namespace dcoord::output
