# Writes OUT, a C++ header with the adaptors of completions/ as constants.
# Usage: cmake -DDIR=... -DOUT=....h -P embed_completions.cmake
cmake_minimum_required(VERSION 3.25)

set(header "// Generated from completions/ by cmake/embed_completions.cmake.\n#pragma once\n#include <string_view>\n\nnamespace dcoord::cli::completions {\n\n")
foreach(pair bash=dcoord.bash zsh=_dcoord fish=dcoord.fish)
  string(REPLACE "=" ";" pair "${pair}")
  list(GET pair 0 shell)
  list(GET pair 1 file)
  file(READ "${DIR}/${file}" text)
  string(APPEND header "inline constexpr std::string_view ${shell} = R\"script(${text})script\";\n\n")
endforeach()
string(APPEND header "}  // namespace dcoord::cli::completions\n")
file(CONFIGURE OUTPUT "${OUT}" CONTENT "@header@" @ONLY)
