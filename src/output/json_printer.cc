#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "output/printers.h"

namespace dcoord::output {
namespace {

using Json = nlohmann::ordered_json;
using primitives::LockParty;
using primitives::LockView;
using primitives::Thing;

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

Json to_json(const Thing& thing) {
  Json j;
  j["kind"] = primitives::kind_word(thing.kind);
  j.update(to_json(thing.view));
  j["state"] = state_word(thing.state());
  if (!thing.detail.empty()) j["detail"] = thing.detail;
  if (thing.state() == LockView::State::stale) j["why"] = stale_text(thing);
  return j;
}

Json to_json(const ThingChange& change) {
  Json j;
  j["time"] = rfc3339(change.at);
  j.update(to_json(change.thing));
  if (change.vanished) j["state"] = "gone";
  return j;
}

Json candidate(const LockParty& p) {
  Json j;
  j["candidate"] = p.who.label;
  j["id"] = holder_id(p);
  j["host"] = p.who.host;
  j["pid"] = p.who.pid;
  j["user"] = p.who.user;
  j["command"] = p.who.command;
  j["proposal"] = p.who.proposal;
  if (!p.who.link.empty()) j["link"] = p.who.link;
  j["since"] = rfc3339(p.since);
  return j;
}

Json to_json(const Election& election) {
  const LockView& e = election.view;
  Json j;
  j["name"] = e.name;
  j["state"] = election.state();
  j["term"] = e.term;
  j["fence"] = e.fence;
  j["leader"] = nullptr;
  if (const LockParty* p = election.leader()) {
    Json leader = candidate(*p);
    leader["led_ms"] = (e.server_time - p->since).count();
    leader["lease_ms"] = p->lease_left.count();
    if (p->revoked) leader["revoked"] = true;
    j["leader"] = std::move(leader);
  } else if (!e.holders.empty() && e.holders[0].resting) {
    j["rests_ms"] = e.holders[0].lease_left.count();
  }
  j["waiting"] = e.waiting;
  j["candidates"] = Json::array();
  for (const auto& p : e.waiters) j["candidates"].push_back(candidate(p));
  return j;
}

Json to_json(const primitives::ElectionChange& c) {
  Json j;
  j["time"] = rfc3339(c.at);
  j["change"] = change_word(c.what);
  j["term"] = c.term;
  j["fence"] = c.fence;
  j["candidate"] = c.who.label;
  j["host"] = c.who.host;
  j["pid"] = c.who.pid;
  j["proposal"] = c.who.proposal;
  return j;
}

Json to_json(const Record& record) {
  Json j = Json::object();
  for (const auto& [name, value] : record.fields) {
    if (const auto* list = std::get_if<std::vector<Record>>(&value)) {
      j[name] = Json::array();
      for (const Record& one : *list) j[name].push_back(to_json(one));
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      j[name] = *text;
    } else if (const auto* number = std::get_if<long long>(&value)) {
      j[name] = *number;
    } else if (const auto* truth = std::get_if<bool>(&value)) {
      j[name] = *truth;
    } else {
      j[name] = nullptr;
    }
  }
  return j;
}

// What is not UTF-8 (a host name, a command) must not make the output invalid.
std::string text_of(const Json& j) {
  return j.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Appends a string; what is plain needs no look at each character's form.
void append_json(std::string& out, std::string_view text) {
  const bool as_it_is = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
  });
  if (!as_it_is) {
    out += text_of(Json(text));
    return;
  }
  out += '"';
  out += text;
  out += '"';
}

/// A sheet's cells in objects.
class JsonCells final : public Cells {
 public:
  JsonCells(std::string& out, const std::vector<const char*>& columns) : out_(out) {
    for (const char* column : columns) {
      std::string& key = keys_.emplace_back(keys_.empty() ? "{" : ",");
      append_json(key, column);
      key += ':';
    }
  }
  void text(std::string_view text) override {
    begin();
    append_json(out_, text);
    end();
  }
  void number(long long number) override {
    begin();
    fmt::format_to(std::back_inserter(out_), "{}", number);
    end();
  }
  void null() override {
    begin();
    out_ += "null";
    end();
  }
  void time(Millis since_epoch) override {
    begin();
    out_ += '"';
    append_rfc3339(out_, since_epoch);
    out_ += '"';
    end();
  }

 private:
  void begin() { out_ += keys_[column_]; }
  void end() {
    if (++column_ < keys_.size()) return;
    column_ = 0;
    out_ += '}';
  }
  std::string& out_;
  std::vector<std::string> keys_;
  size_t column_ = 0;
};

class JsonPrinter : public Printer {
 public:
  explicit JsonPrinter(Sink sink) : sink_(std::move(sink)) {}
  void print(const Record& record) override { write(to_json(record)); }
  void print(const std::vector<Record>& records) override { write_array(records); }
  void print(const Sheet& sheet) override {
    std::string out = "[";
    JsonCells cells(out, sheet.columns);
    for (size_t row = 0; row < sheet.rows; ++row) {
      if (row > 0) out += ',';
      sheet.fill(row, cells);
      if (!sink_) write_full(out);
    }
    write_line(out += "]\n");
  }
  void print(const LockView& lock) override { write(to_json(lock)); }
  void print(const std::vector<Thing>& things) override { write_array(things); }
  void print(const ThingChange& change) override { write(to_json(change)); }
  void print(const Election& election) override { write(to_json(election)); }
  void print(const std::vector<Election>& elections) override { write_array(elections); }
  void print(const primitives::ElectionChange& change) override { write(to_json(change)); }
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
  void write(const Json& j) { write_line(text_of(j) + "\n"); }
  void write_line(const std::string& line) {
    if (sink_)
      sink_(line);
    else
      write_out(line);
  }

  Sink sink_;
};

}  // namespace

std::string json_text(const Record& record) { return text_of(to_json(record)); }

std::unique_ptr<Printer> make_json_printer(Sink sink) {
  return std::make_unique<JsonPrinter>(std::move(sink));
}

}  // namespace dcoord::output
