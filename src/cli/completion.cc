#include <cstdio>
#include <string_view>

#include "cli/completions.h"
#include "cli/nouns.h"

namespace dcoord::cli {
namespace {

Verb shell_verb(const char* shell, std::string_view script, const char* example) {
  Verb verb;
  verb.name = shell;
  verb.summary = std::string("for ") + shell;
  verb.examples = {example};
  verb.run = [script](Context&) {
    std::fwrite(script.data(), 1, script.size(), stdout);
    return 0;
  };
  return verb;
}

}  // namespace

Noun completion_noun() {
  Noun noun;
  noun.name = "completion";
  noun.summary = "print what makes a shell complete dcoord's words; packages install it";
  noun.examples = {"source <(dcoord completion bash)", "source <(dcoord completion zsh)",
                   "dcoord completion fish | source"};
  noun.verbs = {
      shell_verb("bash", completions::bash, "source <(dcoord completion bash)"),
      shell_verb("zsh", completions::zsh, "source <(dcoord completion zsh)"),
      shell_verb("fish", completions::fish, "dcoord completion fish | source"),
  };
  return noun;
}

}  // namespace dcoord::cli
