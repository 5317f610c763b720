#include "cli/config.h"

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "cli/environment.h"
#include "cli/globals.h"
#include "cli/parser.h"
#include "cli/resolve.h"
#include "cli/terminal.h"
#include "support/server.h"

using namespace dcoord;
using namespace dcoord::cli;

namespace {

/// The configuration that comes of these words, variables and files.
struct Made {
  std::vector<std::string> variables;
  std::vector<char*> pointers;
  std::optional<Environment> environment;
  Globals globals;
  Config config;

  explicit Made(const Words& words, std::vector<std::string> vars = {}, std::string_view file = "")
      : variables(std::move(vars)) {
    for (auto& variable : variables) pointers.push_back(variable.data());
    pointers.push_back(nullptr);
    environment.emplace(pointers.data());
    OptionSet none;
    const auto parsed = parse(words, globals.options, none);
    std::vector<ConfigFile> files;
    files.push_back({"FILE", Origin::Source::user_file, parse_toml(file, "FILE"), false});
    resolve(globals.options, "", {parsed.given, *environment, files, ""});
    config = make_config(globals, *environment);
  }

  std::string server() const {
    return redis::describe(config.target) + " from " + config.target.server.origin;
  }
  std::string password() const {
    return config.target.server.password ? config.target.server.password().value_or("none")
                                         : "none";
  }
  std::string setting(std::string_view name) const {
    for (const auto& setting : config.settings()) {
      if (setting.name == name) return setting.value + " from " + setting.origin;
    }
    return "";
  }
};

std::string failure(const Words& words, const std::vector<std::string>& variables = {},
                    std::string_view file = "") {
  try {
    const Made made(words, variables, file);
    return "no failure";
  } catch (const Error& error) {
    return std::to_string(to_int(error.code())) + ": " + error.what();
  }
}

void write_file(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

}  // namespace

TEST_CASE("the URL comes from the strongest source") {
  CHECK(Made({"-u", "redis://f"}, {"DCOORD_URL=redis://e"}, "url = 'redis://c'").server() ==
        "redis://f:6379/0 from -u");
  CHECK(Made({}, {"DCOORD_URL=redis://e", "REDIS_URL=redis://r"}, "url = 'redis://c'").server() ==
        "redis://e:6379/0 from DCOORD_URL");
  CHECK(Made({}, {"REDIS_URL=redis://r"}, "url = 'redis://c'").server() ==
        "redis://c:6379/0 from FILE:1: url");
  CHECK(Made({}, {"REDIS_URL=redis://r"}).server() == "redis://r:6379/0 from REDIS_URL");
  CHECK(Made({}).server() == "redis://127.0.0.1:6379/0 from default");
}

TEST_CASE("parts of the address override a URL of the same or a weaker source") {
  CHECK(Made({"--host", "h", "-p", "7000", "--db", "3"}).server() ==
        "redis://h:7000/3 from --host");
  CHECK(Made({"--host", "h"}, {"DCOORD_URL=redis://e:7000/2"}).server() ==
        "redis://h:7000/2 from --host");
  CHECK(Made({}, {"DCOORD_URL=redis://e/2", "DCOORD_PORT=7001"}).server() ==
        "redis://e:7001/2 from DCOORD_PORT");
  CHECK(Made({"-u", "redis://f"}, {"DCOORD_HOST=e", "DCOORD_DB=5"}).server() ==
        "redis://f:6379/0 from -u");
  CHECK(Made({"-u", "redis://f", "--db", "4"}).server() == "redis://f:6379/4 from -u");
  CHECK(Made({}, {"DCOORD_URL=redis://e"}, "host = 'c'\ndb = 7").server() ==
        "redis://e:6379/0 from DCOORD_URL");
}

TEST_CASE("of a socket and a host, the stronger source's counts") {
  CHECK(Made({"--socket", "/s"}, {"DCOORD_HOST=e"}).server().starts_with("unix:///s"));
  CHECK(Made({"--host", "h"}, {"DCOORD_SOCKET=/s"}).server() == "redis://h:6379/0 from --host");
}

TEST_CASE("REDIS_URL is not mixed with a server that was named otherwise") {
  const Made made({"--host", "h"}, {"REDIS_URL=rediss://user:secret@r:7000/4"});
  CHECK(made.server() == "redis://h:6379/0 from --host");
  CHECK(made.password() == "none");
  CHECK_FALSE(made.config.target.server.tls.enabled);
}

TEST_CASE("contradictions are refused") {
  CHECK(failure({"-u", "redis://a", "--host", "b"}) == "64: --url and --host exclude each other");
  CHECK(failure({"--socket", "/s", "-p", "1"}) == "64: --port and --socket exclude each other");
  CHECK(failure({"--host", ""}) == "64: --host is empty");
  CHECK(failure({"--cacert", "x"}) == "64: --cacert needs TLS");
  CHECK(failure({"--insecure"}) == "64: --insecure needs TLS");
  CHECK(failure({}, {"DCOORD_CACERT=x"}) == "no failure");
  CHECK(failure({"--namespace", "a{b"}).starts_with("64: invalid namespace 'a{b' for --namespace"));
  CHECK(failure({}, {}, "namespace = 'a b'").starts_with("78: FILE:1: namespace: invalid"));
  CHECK(failure({"--port", "0"}).starts_with("64: invalid number '0' for --port"));
}

TEST_CASE("passwords have their order") {
  const testing::TemporaryDirectory directory;
  const auto file = directory.path() + "/password";
  write_file(file, "from file\r\nsecond line\n");
  std::vector<std::string> variables{"DCOORD_URL=redis://:u@h", "DCOORD_PASS_FILE=" + file,
                                     "DCOORD_PASSWORD=d", "VALKEYCLI_AUTH=v", "REDISCLI_AUTH=r"};
  CHECK(Made({"-a", "flag"}, variables).password() == "flag");
  CHECK(Made({}, variables).password() == "from file");
  CHECK(Made({}, variables).setting("password") == "*** from DCOORD_PASS_FILE");
  variables[1] = "X=";
  CHECK(Made({}, variables).password() == "d");
  CHECK(Made({"--pass-file", file}, variables).password() == "from file");
  CHECK(Made({}, variables, "pass-file = '" + file + "'").password() == "d");
  variables[2] = "X=";
  CHECK(Made({}, variables).password() == "v");
  variables[3] = "X=";
  CHECK(Made({}, variables).password() == "r");
  variables[4] = "X=";
  CHECK(Made({}, variables).password() == "u");
  CHECK(Made({}, variables).setting("password") == "*** from DCOORD_URL");
  CHECK(Made({}).password() == "none");
}

TEST_CASE("a password file is read when it is needed, and again for a new connection") {
  const testing::TemporaryDirectory directory;
  const auto file = directory.path() + "/password";
  const Made made({"--pass-file", file});
  CHECK_THROWS_AS(made.password(), Error);
  write_file(file, "one\n");
  CHECK(made.password() == "one");
  write_file(file, "two");
  CHECK(made.password() == "two");
  write_file(file, "");
  CHECK(made.password() == "two");
}

TEST_CASE("TLS options reach the server") {
  const Made made(
      {"--tls", "--cacert", "ca", "--cert", "c", "--key", "k", "--sni", "s", "--insecure"});
  const auto& tls = made.config.target.server.tls;
  CHECK(tls.enabled);
  CHECK(tls.insecure);
  CHECK(tls.ca_file == "ca");
  CHECK(tls.cert_file == "c");
  CHECK(tls.key_file == "k");
  CHECK(tls.sni == "s");
}

TEST_CASE("of two options for one thing the stronger or later one wins") {
  using Format = Config::Format;
  CHECK(Made({"--json"}).config.format == Format::json);
  CHECK(Made({"--json", "-o", "plain"}).config.format == Format::plain);
  CHECK(Made({"-o", "plain", "--json"}).config.format == Format::json);
  CHECK(Made({"-o", "table"}, {"DCOORD_JSON=1"}).config.format == Format::table);
  CHECK(Made({}, {"DCOORD_FORMAT=json"}, "format = 'plain'").config.format == Format::json);
  CHECK_FALSE(Made({}).config.format_given);
  CHECK(Made({"--json"}).config.format_given);
  CHECK(Made({"-vv"}).config.verbosity == 2);
  CHECK(Made({"-vvvvv"}).config.verbosity == 3);
  CHECK(Made({"-q"}, {"DCOORD_VERBOSE=3"}).config.verbosity == -1);
  CHECK(Made({"-v"}, {"DCOORD_QUIET=1"}).config.verbosity == 1);
  CHECK(Made({}, {"DCOORD_VERBOSE=2"}).config.verbosity == 2);
}

TEST_CASE("settings tell where they come from, without secrets") {
  const Made made({"--db", "3", "--json"}, {"DCOORD_URL=redis://me:secret@h/1"},
                  "command-timeout = 2");
  CHECK(made.setting("db") == "3 from --db");
  CHECK(made.setting("url") == "redis://me:***@h/1 from DCOORD_URL");
  CHECK(made.setting("command-timeout") == "2 from FILE:1: command-timeout");
  CHECK(made.setting("connect-timeout") == "5s from default");
  CHECK(made.setting("format") == "json from --json");
  CHECK(made.setting("password") == "*** from DCOORD_URL");
}

TEST_CASE("colour follows the option, then the variables, then the terminal") {
  const auto color = [](const char* mode, std::vector<std::string> variables) {
    std::vector<char*> pointers;
    for (auto& variable : variables) pointers.push_back(variable.data());
    pointers.push_back(nullptr);
    return use_color(mode, -1, Environment(pointers.data()));
  };
  CHECK(color("always", {"NO_COLOR=1"}));
  CHECK_FALSE(color("never", {"FORCE_COLOR=1"}));
  CHECK_FALSE(color("auto", {"NO_COLOR=1", "FORCE_COLOR=1"}));
  CHECK(color("auto", {"NO_COLOR=", "FORCE_COLOR=1"}));
  CHECK(color("auto", {"CLICOLOR_FORCE=1"}));
  CHECK_FALSE(color("auto", {"CLICOLOR_FORCE=0"}));
  CHECK_FALSE(color("auto", {}));
}
