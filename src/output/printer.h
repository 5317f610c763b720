#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "output/record.h"
#include "primitives/elect.h"
#include "primitives/lock.h"
#include "primitives/thing.h"

namespace dcoord::output {

enum class Format { table, plain, json };

/// Gets what is printed, a line or more at a time.
using Sink = std::function<void(const std::string& text)>;

struct Style {
  Format format = Format::table;
  bool headers = true;
  bool color = false;
  int width = 0;        ///< of the terminal; 0: no terminal, cut nothing
  Sink sink = nullptr;  ///< of JSON: gets it instead of stdout
};

/// A hold that outlives the command: what `lock acquire` hands to a script.
struct Acquired {
  std::string name;
  std::string token;
  std::string owner;
  std::string held;  ///< the new DCOORD_HELD
  long long fence = 0;
  int slot = -1;         ///< -1: not a lock with slots
  std::string resource;  ///< "" without a pool
  long long lease_ms = 0;
  long long waited_ms = 0;
};

/// A lock that is an election: its holder leads, its waiters are the candidates, in order.
struct Election {
  primitives::LockView view;

  /// Who leads, or led last when its lease has ended; null while nobody does: also while the
  /// leadership is only offered, or rests for its least time.
  const primitives::LockParty* leader() const;
  /// "led", "stale", "resting" or "free".
  const char* state() const;
};

/// A thing that was seen to have changed.
struct ThingChange {
  Millis at{};            ///< server time, ms since the epoch
  bool vanished = false;  ///< it is not there any more
  primitives::Thing thing;
};

/// Takes the cells of one row, in the order of the columns.
class Cells {
 public:
  virtual ~Cells() = default;
  virtual void text(std::string_view text) = 0;
  virtual void number(long long number) = 0;
  virtual void null() = 0;
  /// RFC 3339 in UTC, with milliseconds.
  virtual void time(Millis since_epoch) = 0;
};

/// Many rows of the same shape. A vector of records says the same at a hundred times the cost: of
/// these nothing is kept but what is printed.
struct Sheet {
  std::vector<const char*> columns;  ///< named as the fields of a Record
  size_t rows = 0;
  std::function<void(size_t row, Cells& cells)> fill;
};

/// Writes results to stdout, one overload a kind of result. Nothing but results goes through here;
/// what others wrote (names, hosts, commands) is escaped in table and plain form.
class Printer {
 public:
  virtual ~Printer() = default;
  virtual void print(const Record& record) = 0;
  /// Several of the same shape: a table, or JSON as one array.
  virtual void print(const std::vector<Record>& records) = 0;
  virtual void print(const Sheet& sheet) = 0;
  virtual void print(const primitives::LockView& lock) = 0;
  virtual void print(const std::vector<primitives::Thing>& things) = 0;
  /// One line of a stream.
  virtual void print(const ThingChange& change) = 0;
  virtual void print(const Acquired& acquired) = 0;
  virtual void print(const Election& election) = 0;
  virtual void print(const std::vector<Election>& elections) = 0;
  /// One line of a stream.
  virtual void print(const primitives::ElectionChange& change) = 0;
};

std::unique_ptr<Printer> make_printer(const Style& style);

/// `text` as one shell word, quoted if it needs to be: safe for eval in any POSIX shell.
std::string shell_quote(const std::string& text);

/// "held", "free" or "stale".
const char* state_word(primitives::LockView::State state);
/// Why a thing counts as stale: "lease over for 3m12s; host rebooted".
std::string stale_text(const primitives::Thing& thing);
/// "elected", "revoked", "resigned" or "lost".
const char* change_word(primitives::ElectionChange::What what);
/// "exclusive", "shared" or "slots".
const char* mode_word(primitives::LockMode mode);
/// What --holder takes: the start of the hold's token.
std::string holder_id(const primitives::LockParty& party);

}  // namespace dcoord::output
