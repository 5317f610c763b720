#include "cli/options.h"

#include <catch2/catch_test_macros.hpp>
#include <limits>

using namespace dcoord;
using namespace dcoord::cli;
using namespace std::chrono_literals;

namespace {

const Origin kFlag{Origin::Source::flag, "--x"};
const Origin kVariable{Origin::Source::environment, "DCOORD_LOCK_X"};
const Origin kFile{Origin::Source::system_file, "/etc/dcoord/config.toml:3: lock.x"};

struct Failure {
  ExitCode code{};
  std::string message;
};

Failure failure(const Option& option, std::string_view value, const Origin& origin = kFlag) {
  try {
    option.set(value, origin);
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {};
}

}  // namespace

TEST_CASE("names and defaults are taken from the declaration") {
  OptionSet set;
  Duration ttl = 30s;
  const Option& option = set.duration("-t,--ttl", ttl, "length of the lease");
  CHECK(option.long_name == "ttl");
  CHECK(option.short_name == 't');
  CHECK(option.value_name == "DUR");
  CHECK(option.default_text == "30s");
  bool only_short = false;
  CHECK(set.flag("-c", only_short, "").long_name.empty());
}

TEST_CASE("an unacceptable value names its source, and a file's has an exit code of its own") {
  OptionSet set;
  Duration ttl{};
  const Option& option = set.duration("--x", ttl, "");
  CHECK(failure(option, "1x").message == "invalid duration '1x' for --x (try 30s, 5m, 1h30m)");
  CHECK(failure(option, "1x").code == ExitCode::usage);
  CHECK(failure(option, "1x", kVariable).message ==
        "invalid duration '1x' for DCOORD_LOCK_X (try 30s, 5m, 1h30m)");
  CHECK(failure(option, "1x", kVariable).code == ExitCode::usage);
  CHECK(failure(option, "1x", kFile).message ==
        "/etc/dcoord/config.toml:3: lock.x: invalid duration '1x' (try 30s, 5m, 1h30m)");
  CHECK(failure(option, "1x", kFile).code == ExitCode::config);
}

TEST_CASE("durations are checked") {
  OptionSet set;
  Duration ttl{};
  const Option& option = set.duration("--x", ttl, "");
  for (const char* bad : {"", "-1", "-5s", "5 m", "1e3", "99999999999999w", "1h-5m", "nan"}) {
    CAPTURE(bad);
    CHECK(failure(option, bad).code == ExitCode::usage);
  }
  option.set("1h30m", kFlag);
  CHECK(ttl == 90min);
  option.set("inf", kFlag);
  CHECK(ttl == kForever);
}

TEST_CASE("integers are read whole, within their bounds and without overflow") {
  OptionSet set;
  long long port = 0;
  const Option& option = set.integer("--x", "N", port, 1, 65535, "");
  for (const char* bad :
       {"", "0", "65536", "-1", "12x", " 12", "+12", "0x10", "1.0", "18446744073709551617"}) {
    CAPTURE(bad);
    CHECK(failure(option, bad).code == ExitCode::usage);
  }
  CHECK(failure(option, "x").message ==
        "invalid number 'x' for --x (a whole number from 1 to 65535)");
  option.set("65535", kFlag);
  CHECK(port == 65535);
  std::optional<long long> open;
  const Option& unbounded =
      set.integer("--y", "N", open, 0, std::numeric_limits<long long>::max(), "");
  CHECK(failure(unbounded, "-1").message ==
        "invalid number '-1' for --x (a whole number, at least 0)");
  unbounded.set("9223372036854775807", kFlag);
  CHECK(open == std::numeric_limits<long long>::max());
}

TEST_CASE("a choice lists what it allows") {
  OptionSet set;
  std::string format = "table";
  const Option& option = set.choice("--x", "F", format, {"table", "json"}, "");
  CHECK(failure(option, "xml").message == "invalid value 'xml' for --x (one of table, json)");
  option.set("json", kFlag);
  CHECK(format == "json");
}

TEST_CASE("flags take what people write in variables") {
  OptionSet set;
  bool flag = false;
  const Option& option = set.flag("--x", flag, "");
  for (const char* yes : {"true", "1", "yes", "on"}) {
    flag = false;
    option.set(yes, kVariable);
    CHECK(flag);
  }
  for (const char* no : {"false", "0", "no", "off"}) {
    flag = true;
    option.set(no, kVariable);
    CHECK_FALSE(flag);
  }
  CHECK(failure(option, "maybe", kVariable).message ==
        "invalid value 'maybe' for DCOORD_LOCK_X (true or false)");
}

TEST_CASE("repeated texts are kept whole") {
  OptionSet set;
  std::vector<std::string> tags;
  const Option& option = set.texts("--x", "TAG", tags, "");
  option.set("a,b", kFlag);
  option.set("[c]", kFlag);
  CHECK(tags == std::vector<std::string>{"a,b", "[c]"});
}
