#include "cli/describe.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/exit_code.h"
#include "cli/environment.h"
#include "cli/globals.h"

namespace dcoord::cli {
namespace {

struct ExitMeaning {
  ExitCode code;
  const char* meaning;
};

constexpr ExitMeaning kExitMeanings[] = {
    {ExitCode::ok, "done; true; the command's own 0; skipped because so asked (-E 0)"},
    {ExitCode::no, "a query's negative answer: free or stale, nobody there, no such thing, empty"},
    {ExitCode::half_open, "breaker status: half-open; health: critical"},
    {ExitCode::usage,
     "the command line is wrong, or a variable's value: nothing was done, and trying again will "
     "not help"},
    {ExitCode::data, "bad input, or another --slots, --pool or --parties than the one in use"},
    {ExitCode::unavailable, "Redis cannot be reached, has no quorum, or is read-only"},
    {ExitCode::internal, "a bug, or an answer that cannot be"},
    {ExitCode::unknown,
     "unknown: it may have been done, or its answer could not be written; --request-id resolves "
     "it"},
    {ExitCode::refused,
     "could not have it now: held by another, full, a condition does not hold; -E N changes it"},
    {ExitCode::dependency, "a job that this one depends on failed or was lost"},
    {ExitCode::permission, "authentication, permission, or a certificate that cannot be trusted"},
    {ExitCode::config, "a configuration file, the URL, or a server without what is needed"},
    {ExitCode::lost,
     "the lease was lost while the command ran, which was stopped; a write with an outdated "
     "fencing token, or without the lock"},
    {ExitCode::timed_out, "a wait ran out, or the command ran longer than --max-time"},
    {ExitCode::not_executable, "the command cannot be executed"},
    {ExitCode::not_found, "the command cannot be found"},
};

/// One line: the fields with TABs between, none of which has one.
class TabbedLine {
 public:
  explicit TabbedLine(std::string_view what) : text_(what) {}
  TabbedLine& add(std::string_view field) {
    text_ += '\t';
    text_ += field;
    return *this;
  }
  ~TabbedLine() { std::puts(text_.c_str()); }
  TabbedLine(const TabbedLine&) = delete;
  TabbedLine& operator=(const TabbedLine&) = delete;

 private:
  std::string text_;
};

void describe(const char* what, const Option& option) {
  std::string traits;
  if (option.positional) traits += 'p';
  if (option.required) traits += 'r';
  if (option.repeatable) traits += 'm';
  if (option.from_environment) traits += 'e';
  TabbedLine(what)
      .add(option.long_name)
      .add(option.short_name == 0 ? "" : std::string(1, option.short_name))
      .add(option.value_name)
      .add(option.default_text)
      .add(fmt::format("{}", fmt::join(option.choices, ", ")))
      .add(traits)
      .add(option.help);
}

void describe(const Verb& verb) {
  const char* tail = verb.takes_command ? "command" : verb.takes_tail ? "tail" : "";
  TabbedLine("verb").add(verb.name).add(verb.usage).add(verb.summary).add(tail);
  for (const auto& example : verb.examples) TabbedLine("example").add(example);
  OptionSet options;
  if (verb.declare) verb.declare(options);
  for (const auto& option : options.all()) describe("option", option);
}

}  // namespace

std::string exit_codes_help() {
  std::string out;
  for (const auto& entry : kExitMeanings)
    out += fmt::format("{:>6}  {}\n", to_int(entry.code), entry.meaning);
  out +=
      fmt::format("{:>6}  {}\n", "128+N", "the command died of signal N, and dcoord of the same");
  return out + fmt::format("{:>6}  {}\n", "else", "the command's own, unchanged");
}

int run_commands(const std::vector<NounEntry>& nouns) {
  TabbedLine("version").add(DCOORD_VERSION);
  for (const auto& entry : kExitMeanings)
    TabbedLine("exit").add(std::to_string(to_int(entry.code))).add(entry.meaning);
  for (const auto& variable : told_variables())
    TabbedLine("told").add(variable.name).add(variable.meaning);
  const Globals globals;
  for (const auto& option : globals.options.all()) describe("global", option);
  for (const auto& entry : nouns) {
    const Noun noun = entry.make();
    TabbedLine("noun").add(noun.name).add(entry.group).add(entry.summary).add(noun.summary);
    for (const auto& example : noun.examples) TabbedLine("example").add(example);
    for (const auto& verb : noun.verbs) describe(verb);
  }
  return to_int(ExitCode::ok);
}

}  // namespace dcoord::cli
