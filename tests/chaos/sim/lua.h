#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "chaos/sim/model.h"

struct lua_State;

namespace dcoord::testing::sim {

/// What a script did besides its reply.
struct ScriptTrace {
  std::vector<Words> commands;  ///< that changed something or may have
  std::string foreign_key;      ///< a key that it used though it was not given it; "": none
  std::string lua_error;        ///< a runtime error, which is a bug in the script
  std::vector<Words> mails;     ///< mailbox, message
};

/// The scripts of a lua/ folder, read from there (so that changing one needs no build), run by
/// Lua 5.1 as a server does: its struct library, no globals, its conversions of replies and
/// arguments.
class Scripts {
 public:
  explicit Scripts(std::string folder);
  ~Scripts();
  Scripts(const Scripts&) = delete;
  Scripts& operator=(const Scripts&) = delete;

  /// Runs `name` ("lock/acquire") over the model. Throws std::runtime_error when there is no such
  /// script or it does not compile.
  Reply run(Model& model, const std::string& name, const Words& keys, const Words& args);
  /// Of the latest run.
  const ScriptTrace& trace() const { return trace_; }
  /// All scripts, sorted.
  std::vector<std::string> names() const;
  /// The text that is run: includes expanded.
  std::string text(const std::string& name) const;

 private:
  static int redis_call(lua_State* lua);
  static int redis_pcall(lua_State* lua);
  int call(lua_State* lua, bool raise);
  int load(const std::string& name);

  std::string folder_;
  lua_State* lua_;
  std::map<std::string, int> loaded_;  // references of compiled scripts
  Model* model_ = nullptr;
  const Words* keys_ = nullptr;
  ScriptTrace trace_;
};

/// Where the repository's scripts are: $DCOORD_LUA, else the folder that this was built from.
std::string lua_folder();

/// Adds the `struct` library as servers have it.
void open_struct(lua_State* lua);

}  // namespace dcoord::testing::sim
