#include "cli/resolve.h"

#include <catch2/catch_test_macros.hpp>

#include "base/error.h"
#include "cli/check_names.h"
#include "cli/globals.h"

using namespace dcoord;
using namespace dcoord::cli;

namespace {

struct Target {
  std::string ttl = "built-in";
  std::vector<std::string> tags;
  bool force = false;
};
Target target;

Noun test_noun() {
  Verb verb;
  verb.name = "run";
  verb.declare = [](OptionSet& set) {
    set.text("--ttl", "DUR", target.ttl, "ttl");
    set.texts("--tag", "TAG", target.tags, "tags");
    set.flag("--force", target.force, "force").from_environment = false;
  };
  Noun noun;
  noun.name = "lock";
  noun.verbs.push_back(verb);
  return noun;
}
const std::vector<NounEntry> kNouns{{"lock", "COORDINATE", "locks", test_noun}};

ConfigFile file(Origin::Source source, std::string_view text) {
  ConfigFile result;
  result.path = source == Origin::Source::user_file ? "USER" : "SYSTEM";
  result.source = source;
  result.entries = parse_toml(text, result.path);
  return result;
}

struct Given_ {
  std::string flag;
  std::string variable;
  std::string user;
  std::string system;
  std::string profile;
};

/// Resolves --ttl from the sources and returns "VALUE from WHERE".
std::string ttl_from(const Given_& given) {
  target = {};
  OptionSet options;
  test_noun().verbs[0].declare(options);
  std::vector<Given> flags;
  if (!given.flag.empty()) flags.push_back({&options.all()[0], {"overridden", given.flag}});
  std::string variable = "DCOORD_LOCK_TTL=" + given.variable;
  char* variables[] = {variable.data(), nullptr};
  const Environment environment(variables);
  const std::vector<ConfigFile> files{file(Origin::Source::user_file, given.user),
                                      file(Origin::Source::system_file, given.system)};
  const Sources sources{flags, environment, files, given.profile};
  Globals globals;
  check_files(sources, globals.options, kNouns);
  resolve(options, "lock", sources);
  return target.ttl + " from " + options.all()[0].origin.where;
}

std::string failure(const Given_& given) {
  try {
    return "no failure: " + ttl_from(given);
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::config);
    return error.what() + (error.hint().empty() ? "" : " | " + error.hint());
  }
}

}  // namespace

TEST_CASE("each source overrides the next") {
  Given_ given{"f", "e", "[lock]\nttl = 'u'\n[profile.ci.lock]\nttl = 'pu'\n",
               "[profile.ci.lock]\nttl = 'ps'\n[lock]\nttl = 's'\n", "ci"};
  CHECK(ttl_from(given) == "f from --ttl");
  given.flag.clear();
  CHECK(ttl_from(given) == "e from DCOORD_LOCK_TTL");
  given.variable.clear();
  CHECK(ttl_from(given) == "pu from USER:4: profile.ci.lock.ttl");
  given.user = "[lock]\nttl = 'u'\n";
  CHECK(ttl_from(given) == "ps from SYSTEM:2: profile.ci.lock.ttl");
  given.profile.clear();
  CHECK(ttl_from(given) == "u from USER:2: lock.ttl");
  given.user.clear();
  CHECK(ttl_from(given) == "s from SYSTEM:4: lock.ttl");
  given.system.clear();
  CHECK(ttl_from(given) == "built-in from ");
}

TEST_CASE("an array gives several values, but not to an option that takes one") {
  ttl_from({.user = "lock.tag = ['a', 'b,c']"});
  CHECK(target.tags == std::vector<std::string>{"a", "b,c"});
  CHECK(failure({.user = "\n[lock]\nttl = ['a', 'b']"}) ==
        "USER:3: lock.ttl: takes one value, not several");
}

TEST_CASE("unknown keys, tables and profiles are refused with their line") {
  CHECK(failure({.user = "nosuch = 1"}) == "USER:1: unknown key 'nosuch'");
  CHECK(failure({.system = "\nulr = 'x'"}) == "SYSTEM:2: unknown key 'ulr' | did you mean 'url'?");
  CHECK(failure({.user = "[lock]\ntlt = 's'"}) ==
        "USER:2: unknown key 'tlt' | did you mean 'ttl'?");
  CHECK(failure({.user = "[lokc]\nttl = 's'"}) ==
        "USER:2: unknown table 'lokc' | did you mean 'lock'?");
  CHECK(failure({.user = "[profile.ci.lokc]\nttl = 's'"}) ==
        "USER:2: unknown table 'lokc' | did you mean 'lock'?");
  CHECK(failure({.user = "[lock.run]\nttl = 's'"}) == "USER:2: unknown table 'lock.run'");
  CHECK(failure({.user = "[lock]\nforce = true"}) ==
        "USER:2: 'force' can only be given on the command line");
  CHECK(failure({.user = "pass = 'x'"}) == "USER:1: 'pass' can only be given on the command line");
  CHECK(failure({.user = "[profile.prod]\ndb = 1", .profile = "prd"}) ==
        "unknown profile 'prd' | did you mean 'prod'?");
  CHECK(failure({.user = "[profile]\nci = 1"}) ==
        "USER:2: no option but a profile's name belongs here");
}

TEST_CASE("a profile is chosen in the file, the user's first") {
  CHECK(profile_in({file(Origin::Source::user_file, "profile = 'a'"),
                    file(Origin::Source::system_file, "profile = 'b'")}) == "a");
  CHECK(profile_in({file(Origin::Source::user_file, ""),
                    file(Origin::Source::system_file, "profile = 'b'")}) == "b");
  CHECK_FALSE(profile_in({}));
}

TEST_CASE("what is told to children is never an option") {
  CHECK(variable_name("lock", "renew-every") == "DCOORD_LOCK_RENEW_EVERY");
  CHECK(variable_name("", "url") == "DCOORD_URL");
  CHECK(is_for_children("DCOORD_LOCK_NAME"));
  OptionSet options;
  std::string name;
  options.text("--name", "NAME", name, "");
  char variable[] = "DCOORD_LOCK_NAME=deploy";
  char* variables[] = {variable, nullptr};
  const Environment environment(variables);
  const std::vector<Given> flags;
  const std::vector<ConfigFile> files;
  resolve(options, "lock", {flags, environment, files, ""});
  CHECK(name.empty());
}

TEST_CASE("an empty variable is unset") {
  char empty[] = "DCOORD_URL=";
  char term[] = "TERM=";
  char longer[] = "TERMINFO=x";
  char* variables[] = {empty, term, longer, nullptr};
  const Environment environment(variables);
  CHECK_FALSE(environment.get("DCOORD_URL"));
  CHECK_FALSE(environment.get("TERM"));
  CHECK(environment.get("TERMINFO") == "x");
}
