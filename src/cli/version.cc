#include <cstdio>

#include "cli/nouns.h"

namespace dcoord::cli {

Noun version_noun() {
  Verb verb;
  verb.summary = "print the version";
  verb.examples = {"dcoord version"};
  verb.run = [](Context&) {
    std::puts("dcoord " DCOORD_VERSION);
    return 0;
  };
  Noun noun;
  noun.name = "version";
  noun.summary = verb.summary;
  noun.verbs.push_back(std::move(verb));
  return noun;
}

/// Only for lists: `dcoord help lock run` is understood before nouns are, as `dcoord lock run
/// --help` is.
Noun help_noun() {
  Verb verb;
  verb.summary = "explain a command";
  verb.usage = "[NOUN [VERB] | TOPIC]";
  verb.run = [](Context&) { return 0; };
  Noun noun;
  noun.name = "help";
  noun.summary = verb.summary;
  noun.verbs.push_back(std::move(verb));
  return noun;
}

}  // namespace dcoord::cli
