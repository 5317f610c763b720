#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/globals.h"

namespace dcoord::cli {

/// `dcoord` alone; with the global options, `dcoord --help`.
std::string top_help(const std::vector<NounEntry>& nouns, const Globals* globals);
/// `dcoord lock`
std::string noun_help(const Noun& noun);
/// `dcoord lock run --help`
std::string verb_help(const Noun& noun, const Verb& verb);

/// "dcoord lock run"
std::string command_name(const Noun& noun, const Verb& verb);
/// "usage: dcoord lock run NAME [OPTIONS] -- COMMAND [ARG...]"
std::string usage_line(const Noun& noun, const Verb& verb);

}  // namespace dcoord::cli
