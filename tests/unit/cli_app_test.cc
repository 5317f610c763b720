#include "cli/app.h"

#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "cli/context.h"
#include "support/cli_run.h"

using namespace dcoord;
using namespace dcoord::cli;
using dcoord::testing::run_cli;

namespace {

struct State {
  std::string name;
  Duration ttl = std::chrono::seconds(30);
  std::optional<std::string> shell;
  std::optional<std::string> holder;
  bool nonblock = false;
};

int say(Context& context, const State& state) {
  std::printf("%s %s db=%d", state.name.c_str(), format_duration(state.ttl).c_str(),
              context.config().target.server.db);
  if (context.tail() || state.shell) {
    for (const auto& word : context.command()) std::printf(" [%s]", word.c_str());
  }
  std::printf("\n");
  return 0;
}

Verb lock_verb(const char* name, bool takes_command) {
  auto state = std::make_shared<State>();
  Verb verb;
  verb.name = name;
  verb.summary = "do something";
  verb.usage = takes_command ? "NAME [OPTIONS] -- COMMAND [ARG...]" : "NAME [OPTIONS]";
  verb.takes_command = takes_command;
  verb.declare = [state, takes_command](OptionSet& set) {
    set.positional("NAME", "lock", state->name, "the lock");
    set.duration("-t,--ttl", state->ttl, "lease");
    set.flag("-n,--nonblock", state->nonblock, "do not wait");
    if (takes_command) {
      set.text("-c,--command", "STRING", state->shell, "shell command").from_environment = false;
    } else {
      set.text("--holder", "ID", state->holder, "holder").required = true;
    }
  };
  verb.run = [state](Context& context) { return say(context, *state); };
  return verb;
}

Noun lock_noun_for_test() {
  Noun noun;
  noun.name = "lock";
  noun.summary = "locks";
  noun.examples = {"dcoord lock run deploy -- make"};
  noun.verbs.push_back(lock_verb("run", true));
  noun.verbs.push_back(lock_verb("release", false));
  return noun;
}

/// `dcoord elect NAME`, and verbs, which win over a name.
Noun elect_noun_for_test() {
  Noun noun;
  noun.name = "elect";
  noun.verbs.push_back(lock_verb("", true));
  noun.verbs.push_back(lock_verb("run", true));
  return noun;
}

Noun fail_noun() {
  Verb verb;
  verb.run = [](Context&) -> int {
    throw Error(ExitCode::unavailable, "unreachable", "no \"server\"", "start it");
  };
  Noun noun;
  noun.name = "fail";
  noun.verbs.push_back(verb);
  return noun;
}

const std::vector<NounEntry> kNouns{{"lock", "COORDINATE", "locks", lock_noun_for_test},
                                    {"elect", "COORDINATE", "elections", elect_noun_for_test},
                                    {"fail", "SETUP", "fails", fail_noun}};

testing::CliResult run(const std::vector<std::string>& words,
                       const std::vector<std::string>& variables = {}) {
  return run_cli(words, kNouns, variables);
}

/// The error and its hint, joined; checks that it is 64 and nothing went to stdout.
std::string usage_failure(const std::vector<std::string>& words,
                          const std::vector<std::string>& variables = {}) {
  const auto result = run(words, variables);
  CHECK(result.code == 64);
  CHECK(result.out.empty());
  return result.err;
}

}  // namespace

TEST_CASE("globals may stand anywhere before --") {
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"--db", "3", "lock", "run", "deploy", "--", "x"},
                                             {"lock", "--db=3", "run", "deploy", "--", "x"},
                                             {"lock", "run", "--db", "3", "deploy", "--", "x"},
                                             {"lock", "run", "deploy", "--db", "3", "--", "x"}}) {
    CHECK(run(words).out == "deploy 30s db=3 [x]\n");
  }
}

TEST_CASE("the command after -- is passed on byte for byte") {
  CHECK(run({"lock", "run", "d", "-t5m", "-t", "10s", "--", "make", "-t", "--", "[a,b]", "",
             "--help"})
            .out == "d 10s db=0 [make] [-t] [--] [[a,b]] [] [--help]\n");
  CHECK(run({"lock", "run", "d", "-c", "a && b"}).out == "d 30s db=0 [/bin/sh] [-c] [a && b]\n");
}

TEST_CASE("options come from the environment") {
  CHECK(run({"lock", "run", "d", "--", "x"},
            {"DCOORD_LOCK_TTL=7s", "DCOORD_DB=2", "DCOORD_LOCK_COMMAND=no"})
            .out == "d 7s db=2 [x]\n");
  CHECK(usage_failure({"lock", "run", "d", "--", "x"}, {"DCOORD_LOCK_TTL=7x"}) ==
        "dcoord: error: invalid duration '7x' for DCOORD_LOCK_TTL (try 30s, 5m, 1h30m)\n");
}

TEST_CASE("what was mistyped is suggested") {
  CHECK(usage_failure({"lokc", "run"}) ==
        "dcoord: error: unknown command 'lokc'\ndcoord: hint: did you mean 'lock'?\n");
  CHECK(usage_failure({"lock", "rnu", "d"}) ==
        "dcoord: error: unknown command 'lock rnu'\ndcoord: hint: did you mean 'lock run'?\n");
  CHECK(usage_failure({"lock", "run", "d", "--tlt", "5s", "--", "x"}) ==
        "dcoord: error: unknown option '--tlt'\ndcoord: hint: did you mean '--ttl'?\n");
  CHECK(usage_failure({"lock", "run", "d", "--nmespace", "n", "--", "x"}) ==
        "dcoord: error: unknown option '--nmespace'\ndcoord: hint: did you mean '--namespace'?\n");
  CHECK(usage_failure({"lock", "run", "d", "-x", "--", "x"}) ==
        "dcoord: error: unknown option '-x'\ndcoord: hint: dcoord lock run --help lists the "
        "options\n");
  CHECK(usage_failure({"--ttl", "5s", "lock", "run", "d"}) ==
        "dcoord: error: unknown option '--ttl' before the verb\n"
        "dcoord: hint: only global options may stand there: the others follow the verb\n");
  CHECK(usage_failure({"make"}) ==
        "dcoord: error: unknown command 'make'\n"
        "dcoord: hint: dcoord --help lists the commands\n");
}

TEST_CASE("a noun may go without a verb, but a verb wins over a name") {
  CHECK(run({"elect", "leader", "--", "x"}).out == "leader 30s db=0 [x]\n");
  CHECK(run({"elect", "run", "leader", "--", "x"}).out == "leader 30s db=0 [x]\n");
  CHECK(run({"elect", "leader", "-h"}).out.starts_with("usage: dcoord elect NAME [OPTIONS]"));
  CHECK(run({"elect"}).out.starts_with("dcoord elect: "));
}

TEST_CASE("a missing -- is put where it belongs") {
  CHECK(usage_failure(
            {"lock", "run", "deploy", "--ttl", "10s", "make", "all targets", "-t", "-j4"}) ==
        "dcoord: error: a command must follow '--'\n"
        "dcoord: hint: dcoord lock run deploy --ttl 10s -- make 'all targets' -t -j4\n");
  CHECK(usage_failure({"lock", "run", "deploy"}) ==
        "dcoord: error: a command must follow '--'\n"
        "dcoord: hint: dcoord lock run deploy -- COMMAND [ARG...]\n");
  CHECK(usage_failure({"lock", "run", "deploy", "--"})
            .starts_with("dcoord: error: a command must follow '--'\n"));
  CHECK(usage_failure({"-a", "secret", "-uredis://u:pw@h", "lock", "run", "it's", "make"}) ==
        "dcoord: error: a command must follow '--'\n"
        "dcoord: hint: dcoord -a '***' '-uredis://u:***@h' lock run 'it'\\''s' -- make\n");
}

TEST_CASE("arguments that are missing or too many are named") {
  const std::string usage =
      "dcoord: hint: usage: dcoord lock run NAME [OPTIONS] -- COMMAND [ARG...]\n";
  CHECK(usage_failure({"lock", "run", "--", "x"}) ==
        "dcoord: error: missing argument NAME\n" + usage);
  CHECK(usage_failure({"lock", "run", "d", "e", "--", "x"}) ==
        "dcoord: error: unexpected argument 'e'\n" + usage);
  CHECK(usage_failure({"lock", "run", "d", "--ttl"}) ==
        "dcoord: error: --ttl needs a value: DUR\n" + usage);
  CHECK(usage_failure({"lock", "run", "d", "-c", "x", "--", "y"}) ==
        "dcoord: error: either -c or a command after '--', not both\n");
  CHECK(usage_failure({"lock", "run", "d", "-c", "x", "y"}) ==
        "dcoord: error: unexpected argument 'y'\n" + usage);
  CHECK(usage_failure({"lock", "release", "d", "--holder", "h", "--", "x"})
            .starts_with("dcoord: error: dcoord lock release takes nothing after '--'\n"));
  CHECK(usage_failure({"lock", "release", "d"})
            .starts_with("dcoord: error: missing option --holder ID\n"));
  CHECK(run({"lock", "release", "d"}, {"DCOORD_LOCK_HOLDER=h"}).code == 0);
  CHECK(usage_failure({"lock", "--", "x"}) == "dcoord: error: a verb must stand before '--'\n");
  CHECK(usage_failure({"--", "x"}) == "dcoord: error: a command must stand before '--'\n");
}

TEST_CASE("help wins wherever it stands") {
  const auto top = run({});
  CHECK(top.code == 0);
  CHECK(top.err.empty());
  CHECK(top.out.find("COORDINATE\n  lock   locks\n") != std::string::npos);
  CHECK(top.out.find("--connect-timeout") == std::string::npos);
  CHECK(run({"--help"}).out.find("--connect-timeout") != std::string::npos);
  CHECK(run({"help"}).out == run({"--help"}).out);
  CHECK(run({"lock"}).code == 0);
  CHECK(run({"lock"}).out == run({"help", "lock"}).out);
  const auto verb = run({"lock", "run", "--help"});
  CHECK(verb.code == 0);
  CHECK(verb.out.starts_with("usage: dcoord lock run NAME [OPTIONS] -- COMMAND [ARG...]\n"));
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"help", "lock", "run"},
                                             {"-h", "lock", "run"},
                                             {"lock", "-h", "run"},
                                             {"lock", "run", "--bogus", "d", "--ttl", "-h"},
                                             {"lock", "run", "-nh"}}) {
    CHECK(run(words).out == verb.out);
  }
}

TEST_CASE("-h HOST gets help and a hint") {
  const auto result = run({"-h", "db1", "lock", "run"});
  CHECK(result.code == 0);
  CHECK(result.out == run({"lock", "run", "-h"}).out);
  CHECK(result.err == "dcoord: hint: -h is help: use --host db1\n");
  CHECK(run({"-h", "db1"}).err == result.err);
}

TEST_CASE("the version in all spellings") {
  for (const char* word : {"--version", "-V", "-qV"})
    CHECK(run({"lock", "run", word}).out == "dcoord " DCOORD_VERSION "\n");
  CHECK(run({"-V"}).out == "dcoord " DCOORD_VERSION "\n");
}

TEST_CASE("errors under --json are one line of JSON") {
  CHECK(run({"fail", "--json"}).err ==
        "{\"error\":{\"code\":69,\"kind\":\"unreachable\",\"message\":\"no "
        "\\\"server\\\"\",\"hint\":\"start it\"}}\n");
  CHECK(run({"fail"}).err == "dcoord: error: no \"server\"\ndcoord: hint: start it\n");
  CHECK(run({"fail", "-q"}).err == "dcoord: error: no \"server\"\n");
  CHECK(run({"fail"}).code == 69);
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"lokc", "--json"},
                                             {"-ojson", "lokc"},
                                             {"lock", "run", "--bogus", "--format=json"},
                                             {"--json", "fail", "x"}}) {
    CHECK(run(words).err.starts_with("{\"error\":{\"code\":64,\"kind\":\"usage\","));
  }
  CHECK(run({"lokc"}, {"DCOORD_FORMAT=json"}).err.starts_with("{\"error\":"));
  CHECK(run({"lokc", "-q"}).err == "dcoord: error: unknown command 'lokc'\n");
}

TEST_CASE("a password on the command line is warned of and overwritten") {
  auto result = run({"-a", "secret", "lock", "run", "d", "--", "x", "-a", "mine"});
  CHECK(result.code == 0);
  CHECK(result.err.starts_with("dcoord: warning: a password on the command line"));
  CHECK(result.argv[2] == "******");
  CHECK(result.argv.back() == "mine");
  result = run({"lock", "run", "d", "--pass=secret", "-u", "redis://me:hush@h/1", "--", "x"});
  CHECK(result.argv[4] == "--pass=******");
  CHECK(result.argv[6] == "redis://me:****@h/1");
  CHECK(result.out == "d 30s db=1 [x]\n");
}

TEST_CASE("variables that are no option but seem to be meant for one are warned of") {
  const std::vector<std::string> variables{"DCOORD_LOKC_TTL=1", "DCOORD_TOKEN=x",
                                           "DCOORD_LOCK_TTL=3s", "DCOORD_PASSWORD=x",
                                           "DCOORD_MINE=x"};
  const std::string warning =
      "dcoord: warning: DCOORD_LOKC_TTL is no option, did you mean 'DCOORD_LOCK_TTL'?\n";
  CHECK(run({"lock", "run", "d", "--", "x"}, variables).err == warning);
  CHECK(run({"lock", "run", "d", "-v", "--", "x"}, variables).err ==
        warning + "dcoord: DCOORD_MINE is no option\n");
  CHECK(run({"lock", "run", "d", "--", "x"}, {"DCOORD_LOCK_COMMAND=x"}).err ==
        "dcoord: warning: DCOORD_LOCK_COMMAND can only be given on the command line\n");
}
