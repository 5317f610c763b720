#include "cli/app.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/log.h"
#include "cli/check_names.h"
#include "cli/complete.h"
#include "cli/config.h"
#include "cli/context.h"
#include "cli/describe.h"
#include "cli/globals.h"
#include "cli/help.h"
#include "cli/invocation.h"
#include "cli/manual.h"
#include "cli/noun_settings.h"
#include "cli/parser.h"
#include "cli/resolve.h"
#include "cli/terminal.h"
#include "cli/trace_sink.h"
#include "cli/usage.h"
#include "hold/start_state.h"
#include "output/printer.h"

namespace dcoord::cli {
namespace {

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int show_version() {
  print("dcoord " DCOORD_VERSION "\n");
  return 0;
}

/// Once the options are known.
void configure_log(const Globals& globals, const Environment& environment) {
  log::Settings settings;
  settings.verbosity = globals.verbosity;
  settings.json = globals.format == "json";
  settings.color = use_color(globals.color, STDERR_FILENO, environment);
  settings.rewrite = globals.progress == "auto" && is_capable_terminal(STDERR_FILENO, environment);
  log::configure(settings);
}

/// For an error in the command line itself: what it says about messages, as far as it can be
/// understood.
void guess_log(const Words& words, const Environment& environment) {
  Globals globals;
  const auto try_set = [](const Option& option, std::string_view value, Origin::Source source) {
    try {
      option.set(value, {source, option.long_name});
    } catch (const Error&) {  // not what is to be reported now
    }
  };
  const auto matters = [](const Option& option) {
    const auto& name = option.long_name;
    return name == "format" || name == "json" || name == "color" || name == "quiet";
  };
  for (const auto& option : globals.options.all()) {
    if (!matters(option)) continue;
    const auto value = environment.get(variable_name("", option.long_name));
    if (value) try_set(option, *value, Origin::Source::environment);
  }
  Scanner scanner(words, {&globals.options});
  while (const auto piece = scanner.next()) {
    if (piece->option == nullptr || !matters(*piece->option)) continue;
    const bool is_flag = piece->option->value_name.empty();
    if (is_flag || piece->value) {
      try_set(*piece->option, piece->value.value_or("true"), Origin::Source::flag);
    }
  }
  configure_log(globals, environment);
}

/// Other users see argv for as long as we run. The words point into it.
void overwrite_secrets(const Words& words, const OptionSet& globals, const OptionSet& options) {
  const auto overwrite = [](std::string_view text) {
    std::memset(const_cast<char*>(text.data()), '*', text.size());
  };
  Scanner scanner(words, {&globals, &options});
  while (const auto piece = scanner.next()) {
    if (piece->option == nullptr || !piece->value) continue;
    const auto value = *piece->value;
    if (piece->option->long_name == "pass") overwrite(value);
    if (piece->option->long_name != "url") continue;
    const auto scheme = value.find("://");
    const auto at = value.rfind('@');
    if (scheme == value.npos || at == value.npos || at < scheme + 3) continue;
    const auto user_info = value.substr(scheme + 3, at - scheme - 3);
    const auto colon = user_info.find(':');
    overwrite(colon == user_info.npos ? user_info : user_info.substr(colon + 1));
  }
}

void print_help(const Invocation& invocation, const Globals& globals,
                const std::vector<NounEntry>& nouns) {
  if (invocation.verb != nullptr)
    print(verb_help(*invocation.noun, *invocation.verb));
  else if (invocation.noun)
    print(noun_help(*invocation.noun));
  else
    print(top_help(nouns, invocation.help ? &globals : nullptr));
  if (!invocation.host.empty()) {
    log::hint(fmt::format("-h is help: use --host {}", output::shell_quote(invocation.host)));
  }
}

class Run {
 public:
  Run(const Argv& argv, const Environment& environment, const std::vector<NounEntry>& nouns,
      hold::StartState start)
      : argv_(argv), environment_(environment), nouns_(nouns), start_(std::move(start)) {}

  int run() {
    invocation_ = find_command(argv_.words, globals_, nouns_);
    if (invocation_.help) return show_help();
    if (invocation_.version) return show_version();
    if (invocation_.verb == nullptr) {
      if (argv_.tail)
        throw usage_error(invocation_.noun ? "a verb must stand before '--'"
                                           : "a command must stand before '--'");
      return show_help();
    }
    if (invocation_.verb->declare) invocation_.verb->declare(options_);
    auto parsed = parse(invocation_.rest, globals_.options, options_);
    take_form(parsed);
    if (is_given(parsed, "help")) return show_help();
    if (is_given(parsed, "version")) return show_version();
    check_usage(argv_, invocation_, globals_.options, options_, parsed);
    overwrite_secrets(argv_.words, globals_.options, options_);
    resolve_options(parsed);
    configure_log(globals_, environment_);
    log_configured_ = true;
    return run_verb();
  }

  bool log_configured() const { return log_configured_; }

  /// What stdout gets from a verb whose output is evaluated: evaluating nothing would succeed.
  std::string for_eval(int code) const {
    const bool wanted =
        invocation_.verb != nullptr && invocation_.verb->for_eval && globals_.format == "table";
    return wanted ? fmt::format("(exit {})\n", code) : "";
  }

 private:
  int show_help() {
    guess_log(argv_.words, environment_);
    log_configured_ = true;
    const auto* topic = find_topic(invocation_.topic);
    if (topic != nullptr && *topic->page == '\0') {
      print(exit_codes_help());
      return 0;
    }
    if (invocation_.by_word) show_manual(topic);
    print_help(invocation_, globals_, nouns_);
    return 0;
  }

  /// Opens the manual at a topic, or on a terminal at a noun: what a pipe gets is the short text.
  void show_manual(const HelpTopic* topic) const {
    const bool of_noun = invocation_.noun && invocation_.verb == nullptr;
    if (topic == nullptr && (!of_noun || isatty(STDOUT_FILENO) == 0)) return;
    const auto page =
        topic != nullptr ? topic->page : fmt::format("dcoord-{}.1", invocation_.noun->name);
    const auto file = manual_page(page);
    if (!file.empty()) {
      start_.restore();
      open_manual(file);
    }
    if (topic == nullptr) return;
    throw Error(
        ExitCode::no, "no_manual", fmt::format("the manual page {} cannot be shown", page),
        file.empty() ? "it is not installed with this dcoord" : "there is no program `man`");
  }

  /// `-o WORD` with a word of the verb's own --as means that: `health -o nagios`.
  void take_form(Parsed& parsed) {
    const auto* as = find_long(options_, "as");
    if (as == nullptr) return;
    for (auto& given : parsed.given) {
      if (given.option != &globals_.option("format") || given.values.empty()) continue;
      const auto& forms = as->choices;
      const auto& global = given.option->choices;
      const std::string& word = given.values.back();
      if (std::find(forms.begin(), forms.end(), word) == forms.end()) continue;
      if (std::find(global.begin(), global.end(), word) != global.end()) continue;
      given.option = const_cast<Option*>(as);
      given.values = {word};
    }
  }

  /// In a cluster of letters, `-qh`, where find_command does not look.
  bool is_given(const Parsed& parsed, const char* name) const {
    const auto* option = &globals_.option(name);
    return std::any_of(parsed.given.begin(), parsed.given.end(),
                       [&](const Given& given) { return given.option == option; });
  }

  void resolve_options(const Parsed& parsed) {
    found_ = find_files(parsed.given, globals_, environment_);
    const Sources sources{parsed.given, environment_, found_.files, found_.profile};
    check_files(sources, globals_.options, nouns_);
    resolve(globals_.options, "", sources);
    resolve(options_, invocation_.noun->name, sources);
    check_required(invocation_, options_);
  }

  int run_verb() {
    auto config = make_config(globals_, environment_);
    config.settings = [this, of_globals = std::move(config.settings)] {
      auto list = of_globals();
      for (auto& setting : noun_settings(environment_, found_.files, found_.profile, nouns_))
        list.push_back(std::move(setting));
      return list;
    };
    for (const auto& file : found_.files) warn_if_exposed(file);
    warn_of_variables(environment_, globals_.options, nouns_);
    const auto* shell = find_short(options_, 'c');
    Context context(std::move(config), argv_.tail, start_,
                    shell == nullptr ? std::nullopt : shell->given);
    context.trace_to(make_trace_sink(globals_));
    context.set_setup({environment_, found_.files, nouns_, found_.profile});
    return invocation_.verb->run(context);
  }

  static void warn_if_exposed(const ConfigFile& file) {
    if (!file.readable_by_others) return;
    for (const auto& entry : file.entries) {
      if (entry.key != "url" || entry.values.empty()) continue;
      if (redis::redact_url(entry.values.front()) == entry.values.front()) continue;
      log::warning(fmt::format("others can read the password in {}: chmod 600 it", file.path));
      return;
    }
  }

  const Argv& argv_;
  const Environment& environment_;
  const std::vector<NounEntry>& nouns_;
  hold::StartState start_;
  Globals globals_;
  Invocation invocation_;
  OptionSet options_;
  FoundFiles found_;
  bool log_configured_ = false;
};

/// What was printed must have arrived for the answer to count.
int finish(int code) {
  const bool arrived = flush_stdout();
  const bool answer = code == to_int(ExitCode::ok) || code == to_int(ExitCode::no);
  return !arrived && answer ? to_int(ExitCode::unknown) : code;
}

int fail(const Error& error, const Run& run, const Words& words, const Environment& environment) {
  if (!run.log_configured()) guess_log(words, environment);
  print(run.for_eval(to_int(error.code())));
  std::fflush(stdout);
  log::error(error);
  return to_int(error.code());
}

}  // namespace

int run(int argc, char** argv, const std::vector<NounEntry>& nouns) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first == "__complete") return run_complete(argc, argv, nouns);
  if (first == "__commands") return run_commands(nouns);
  // Asked for at every turn, by scripts and by people: it needs nothing of what follows.
  if (argc == 2 && (first == "--version" || first == "-V")) return finish(show_version());
  auto start = hold::StartState::capture();
  hold::forbid_core_dumps();
  const auto args = split_argv(argc, argv);
  const Environment environment(environ);
  Run run(args, environment, nouns, std::move(start));
  try {
    return finish(run.run());
  } catch (const Error& error) {
    return fail(error, run, args.words, environment);
  } catch (const std::exception& error) {
    return fail(internal_error(error.what()), run, args.words, environment);
  }
}

}  // namespace dcoord::cli
