#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>
#include <utility>

#include "base/duration.h"
#include "base/log.h"
#include "output/printers.h"
#include "output/table.h"

namespace dcoord::output {
namespace {

using primitives::ElectionChange;
using primitives::LockParty;
using primitives::LockView;
using primitives::Thing;
using primitives::ThingKind;

std::string text_of(const Record::Value& value) {
  struct Visitor {
    std::string operator()(const std::string& s) const { return s; }
    std::string operator()(long long n) const { return std::to_string(n); }
    std::string operator()(bool b) const { return b ? "yes" : "no"; }
    std::string operator()(std::nullptr_t) const { return "-"; }
    std::string operator()(const std::vector<Record>& list) const {
      return std::to_string(list.size());
    }
  };
  return std::visit(Visitor(), value);
}

std::string upper(std::string text) {
  for (char& c : text) c = c == '_' ? ' ' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return text;
}

constexpr std::string_view kMillis = "_ms";

/// For people: a field of milliseconds is a duration.
std::string title_of(const std::string& name) {
  return upper(name.ends_with(kMillis) ? name.substr(0, name.size() - kMillis.size()) : name);
}

std::string cell_of(const std::string& name, const Record::Value& value) {
  const long long* number = std::get_if<long long>(&value);
  if (number == nullptr || !name.ends_with(kMillis)) return text_of(value);
  return *number < 0 ? fmt::format("{}ms", *number) : format_age(Millis(*number));
}

std::string lease_text(const LockParty& p) {
  if (p.lease_left <= Millis(0)) return "over for " + format_age(-p.lease_left);
  return format_age(p.lease_left) + " left";
}

std::string holder_text(const LockParty& p) { return fmt::format("{}:{}", p.who.host, p.who.pid); }

std::string note_text(const LockParty& p) {
  std::string note =
      p.who.label.empty() ? p.who.command : fmt::format("[{}] {}", p.who.label, p.who.command);
  if (p.offered) note += " (offered, not claimed yet)";
  if (p.revoked) note += " (taken away, stopping)";
  if (p.resting) note += " (ended, stays taken for its least time)";
  if (p.nested) note += " (nested)";
  return note;
}

/// How many slots are held: nested holds share theirs.
long long held_slots(const LockView& lock) {
  return std::count_if(lock.holders.begin(), lock.holders.end(),
                       [](const LockParty& p) { return !p.nested && p.lease_left > Millis(0); });
}

std::string slot_text(const LockView& lock, const LockParty& p) {
  if (lock.limit == 0) return "-";
  const auto slot = static_cast<size_t>(p.slot);
  return slot < lock.pool.size() ? fmt::format("{} {}", p.slot, lock.pool[slot])
                                 : std::to_string(p.slot);
}

std::string mode_text(const Thing& thing) {
  if (thing.kind != ThingKind::lock) return primitives::kind_word(thing.kind);
  if (thing.view.limit > 0)
    return fmt::format("slots {}/{}", held_slots(thing.view), thing.view.limit);
  return thing.view.holders.empty() ? "-" : mode_word(thing.view.mode);
}

/// The cells of a thing in a list.
std::vector<std::string> row_of(const Thing& thing) {
  const LockView& view = thing.view;
  const LockParty* const first = view.holders.empty() ? nullptr : &view.holders[0];
  std::string holder = first == nullptr ? "-" : holder_text(*first);
  if (view.holders.size() > 1) holder += fmt::format(" +{}", view.holders.size() - 1);
  // Why a breaker is open says more than whose call it was.
  if (!thing.detail.empty() && (first == nullptr || thing.kind == ThingKind::breaker))
    holder = thing.detail;
  std::string lease = first == nullptr ? "-" : lease_text(*first);
  if (!thing.why.empty()) lease += "; " + thing.why;
  return {view.name,
          state_word(thing.state()),
          mode_text(thing),
          std::move(holder),
          first == nullptr ? "-" : format_age(view.server_time - first->since),
          std::move(lease),
          std::to_string(view.waiting),
          view.fence > 0 ? std::to_string(view.fence) : "-"};
}

/// A sheet's cells in a table.
class TableCells final : public Cells {
 public:
  TableCells(Table& table, const std::vector<const char*>& columns) : table_(table) {
    for (const char* column : columns)
      durations_.push_back(std::string_view(column).ends_with(kMillis));
  }
  void text(std::string_view text) override { add(text); }
  void number(long long number) override {
    if (durations_[column_])
      add(number < 0 ? fmt::format("{}ms", number) : format_age(Millis(number)));
    else
      add({buffer_.data(),
           static_cast<size_t>(fmt::format_to(buffer_.data(), "{}", number) - buffer_.data())});
  }
  void null() override { add("-"); }
  void time(Millis since_epoch) override {
    text_.clear();
    append_rfc3339(text_, since_epoch);
    add(text_);
  }

 private:
  void add(std::string_view text) {
    table_.add_cell(text);
    if (++column_ == durations_.size()) column_ = 0;
  }
  Table& table_;
  std::vector<bool> durations_;  // which columns are
  size_t column_ = 0;
  std::array<char, 24> buffer_;
  std::string text_;
};

/// A sheet's cells in lines, with tabs between them.
class PlainCells final : public Cells {
 public:
  explicit PlainCells(std::string& out) : out_(out) {}
  void text(std::string_view text) override { append_printable(next(), text); }
  void number(long long number) override {
    fmt::format_to(std::back_inserter(next()), "{}", number);
  }
  void null() override { next() += '-'; }
  void time(Millis since_epoch) override { append_rfc3339(next(), since_epoch); }
  void end_line() {
    out_ += '\n';
    first_ = true;
  }

 private:
  std::string& next() {
    if (!std::exchange(first_, false)) out_ += '\t';
    return out_;
  }
  std::string& out_;
  bool first_ = true;
};

class TextPrinter : public Printer {
 public:
  explicit TextPrinter(const Style& style) : style_(style) {}

  void print(const Record& record) override {
    Table table({"", ""});
    for (const auto& [name, value] : record.fields) {
      if (std::holds_alternative<std::vector<Record>>(value)) continue;
      if (plain())
        table.add({text_of(value)});
      else
        table.add({title_of(name), cell_of(name, value)});
    }
    write_out(table.text(false, 0));
    for (const auto& [name, value] : record.fields) {
      if (const auto* list = std::get_if<std::vector<Record>>(&value)) print(*list);
    }
  }

  void print(const std::vector<Record>& records) override {
    if (records.empty()) return;
    std::vector<std::string> headers;
    for (const auto& [name, value] : records[0].fields) headers.push_back(title_of(name));
    std::vector<std::vector<std::string>> rows;
    for (const auto& record : records) {
      std::vector<std::string> row;
      for (const auto& [name, value] : record.fields)
        row.push_back(plain() ? text_of(value) : cell_of(name, value));
      rows.push_back(std::move(row));
    }
    write_rows(std::move(headers), rows);
  }

  void print(const Sheet& sheet) override {
    if (sheet.rows == 0) return;
    if (plain()) {
      std::string out;
      PlainCells cells(out);
      for (size_t row = 0; row < sheet.rows; ++row) {
        sheet.fill(row, cells);
        cells.end_line();
        write_full(out);
      }
      return write_out(out);
    }
    std::vector<std::string> headers;
    for (const char* column : sheet.columns) headers.push_back(title_of(column));
    Table table(std::move(headers));
    TableCells cells(table, sheet.columns);
    for (size_t row = 0; row < sheet.rows; ++row) sheet.fill(row, cells);
    write_out(table.text(style_.headers, style_.width));
  }

  void print(const LockView& lock) override {
    if (plain())
      return print(std::vector<Thing>{{primitives::ThingKind::lock, lock, "", false, "", {}}});
    std::string head = fmt::format("{}: {}", log::printable(lock.name), state_word(lock.state));
    if (lock.state != LockView::State::free) head += fmt::format(", {}", mode_word(lock.mode));
    if (lock.limit > 0) head += fmt::format(" ({})", lock.limit);
    if (lock.fence > 0) head += fmt::format(", fence {}", lock.fence);
    if (lock.waiting > 0) head += fmt::format(", {} waiting", lock.waiting);
    write_out(head + "\n");
    Table holders({"HOLDER", "USER", "HELD", "LEASE", "FENCE", "SLOT", "ID", "COMMAND"});
    for (const auto& p : lock.holders) {
      holders.add({holder_text(p), p.who.user, format_age(lock.server_time - p.since),
                   lease_text(p), std::to_string(p.fence), slot_text(lock, p), holder_id(p),
                   note_text(p)});
    }
    if (!lock.holders.empty()) write_out(holders.text(style_.headers, style_.width));
    Table waiters({"WAITER", "USER", "WAITS", "MODE", "COMMAND"});
    for (const auto& p : lock.waiters) {
      waiters.add({holder_text(p), p.who.user, format_age(lock.server_time - p.since),
                   mode_word(p.mode), note_text(p)});
    }
    if (!lock.waiters.empty()) write_out(waiters.text(style_.headers, style_.width));
  }

  void print(const std::vector<Thing>& things) override {
    std::vector<std::vector<std::string>> rows;
    rows.reserve(things.size());
    for (const auto& thing : things) rows.push_back(row_of(thing));
    write_rows({"NAME", "STATE", "MODE", "HOLDER", "AGE", "LEASE", "WAITERS", "FENCE"}, rows);
  }

  void print(const ThingChange& change) override {
    std::vector<std::string> row = row_of(change.thing);
    if (change.vanished) row[1] = "gone";
    row.insert(row.begin(), rfc3339(change.at));
    write_out(stream_line(row));
  }

  void print(const Acquired& a) override {
    if (plain()) return write_out(a.token + "\n");
    std::string out;
    std::string names;
    const auto assign = [&](const std::string& name, const std::string& value) {
      out += fmt::format("{}={}\n", name, shell_quote(value));
      names += " " + name;
    };
    assign("DCOORD_LOCK_NAME", a.name);
    assign("DCOORD_TOKEN", a.token);
    assign("DCOORD_FENCE", std::to_string(a.fence));
    if (a.slot >= 0) assign("DCOORD_SLOT", std::to_string(a.slot));
    if (!a.resource.empty()) assign("DCOORD_RESOURCE", a.resource);
    assign("DCOORD_OWNER", a.owner);
    assign("DCOORD_HELD", a.held);
    // One write for all: a reader that evaluates half of it must not believe it holds a lock.
    write_out(out + "export" + names + "\n");
  }

  void print(const Election& election) override {
    const LockView& e = election.view;
    if (plain()) return print(std::vector<Election>{election});
    std::string head = fmt::format("{}: {}", log::printable(e.name), election.state());
    if (e.term > 0) head += fmt::format(", term {}", e.term);
    if (e.waiting > 0) head += fmt::format(", {} standing by", e.waiting);
    if (!e.holders.empty() && e.holders[0].resting)
      head += fmt::format(", nobody leads for another {}", format_age(e.holders[0].lease_left));
    write_out(head + "\n");
    Table leader({"LEADER", "HOST:PID", "USER", "LEADS", "LEASE", "FENCE", "ID", "PROPOSAL"});
    if (const LockParty* p = election.leader()) {
      leader.add({p->who.label, holder_text(*p), p->who.user, format_age(e.server_time - p->since),
                  lease_text(*p) + (p->revoked ? ", stepping down" : ""), std::to_string(p->fence),
                  holder_id(*p), p->who.proposal});
      write_out(leader.text(style_.headers, style_.width));
    }
    Table candidates({"CANDIDATE", "HOST:PID", "USER", "WAITS", "PROPOSAL"});
    for (const auto& p : e.waiters) {
      candidates.add({p.who.label, holder_text(p), p.who.user, format_age(e.server_time - p.since),
                      p.who.proposal});
    }
    if (!e.waiters.empty()) write_out(candidates.text(style_.headers, style_.width));
  }

  void print(const std::vector<Election>& elections) override {
    std::vector<std::vector<std::string>> rows;
    for (const auto& election : elections) {
      const LockView& e = election.view;
      const LockParty* leader = election.leader();
      rows.push_back({e.name, election.state(), leader == nullptr ? "-" : leader->who.label,
                      std::to_string(e.term),
                      leader == nullptr ? "-" : format_age(e.server_time - leader->since),
                      leader == nullptr ? "-" : lease_text(*leader), std::to_string(e.waiting),
                      std::to_string(e.fence)});
    }
    write_rows({"NAME", "STATE", "LEADER", "TERM", "LEADS", "LEASE", "STANDBY", "FENCE"}, rows);
  }

  void print(const ElectionChange& c) override {
    write_out(fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n", rfc3339(c.at), change_word(c.what), c.term,
                          c.fence, log::printable(c.who.label), log::printable(c.who.proposal)));
  }

 private:
  bool plain() const { return style_.format == Format::plain; }

  /// Cells of a stream: each padded as far as most of its kind go, so that lines stand in columns.
  std::string stream_line(const std::vector<std::string>& row) const {
    static constexpr int kWidths[] = {24, 24, 5, 9, 24, 7, 14, 3};
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string cell = log::printable(row[i]);
      if (i > 0) line += plain() ? "\t" : "  ";
      line += cell;
      if (plain() || i >= std::size(kWidths)) continue;
      const int missing = kWidths[i] - display_width(cell);
      if (missing > 0) line.append(static_cast<size_t>(missing), ' ');
    }
    return line + "\n";
  }

  /// A table, or for plain one line a row with tabs between the cells and no headers.
  void write_rows(std::vector<std::string> headers,
                  const std::vector<std::vector<std::string>>& rows) {
    if (plain()) {
      std::string out;
      for (const auto& row : rows) {
        for (size_t i = 0; i < row.size(); ++i)
          out += (i == 0 ? "" : "\t") + log::printable(row[i]);
        out += '\n';
      }
      return write_out(out);
    }
    Table table(std::move(headers));
    for (const auto& row : rows) table.add(row);
    write_out(table.text(style_.headers, style_.width));
  }

  Style style_;
};

}  // namespace

std::unique_ptr<Printer> make_text_printer(const Style& style) {
  return std::make_unique<TextPrinter>(style);
}

void write_full(std::string& text) {
  constexpr size_t kFull = size_t{64} << 10;
  if (text.size() < kFull) return;
  write_out(text);
  text.clear();
}

void write_out(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

}  // namespace dcoord::output
