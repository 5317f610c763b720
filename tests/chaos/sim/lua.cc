#include "chaos/sim/lua.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <lua.hpp>
#include <set>
#include <sstream>
#include <stdexcept>

namespace dcoord::testing::sim {
namespace {

constexpr const char* kSelf = "dcoord.scripts";

std::string read(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// As cmake/embed_lua.cmake: the header goes, each fragment comes in once.
std::string expand(const std::string& folder, const std::string& name,
                   std::set<std::string>& done) {
  std::string text = read(folder + "/" + name + ".lua");
  if (text.starts_with("--[[")) text.erase(0, text.find("]]") + 2);
  constexpr std::string_view kInclude = "-- @include ";
  for (size_t at; (at = text.find(kInclude)) != std::string::npos;) {
    const size_t end = text.find('\n', at);
    const std::string part = text.substr(at + kInclude.size(), end - at - kInclude.size());
    const std::string inner = done.insert(part).second ? expand(folder, part, done) : "";
    text.replace(at, end - at, inner);
  }
  return text;
}

void push_reply(lua_State* lua, const Reply& reply) {
  luaL_checkstack(lua, 4, "reply too deep");
  switch (reply.type()) {
    case Reply::Type::nil:
      lua_pushboolean(lua, 0);
      break;
    case Reply::Type::integer:
      lua_pushnumber(lua, static_cast<lua_Number>(reply.number()));
      break;
    case Reply::Type::string:
      lua_pushlstring(lua, reply.text().data(), reply.text().size());
      break;
    case Reply::Type::status:
    case Reply::Type::error:
      lua_newtable(lua);
      lua_pushlstring(lua, reply.text().data(), reply.text().size());
      lua_setfield(lua, -2, reply.is_error() ? "err" : "ok");
      break;
    case Reply::Type::array:
      lua_createtable(lua, static_cast<int>(reply.size()), 0);
      for (size_t i = 0; i < reply.size(); ++i) {
        push_reply(lua, reply.at(i));
        lua_rawseti(lua, -2, static_cast<int>(i + 1));
      }
  }
}

/// The value on top of the stack as the server would send it.
Reply to_reply(lua_State* lua) {
  const auto text = [&](int at) {
    size_t length = 0;
    const char* bytes = lua_tolstring(lua, at, &length);
    return std::string(bytes, length);
  };
  switch (lua_type(lua, -1)) {
    case LUA_TSTRING:
      return Reply::string(text(-1));
    case LUA_TNUMBER:
      return Reply::integer(static_cast<int64_t>(lua_tonumber(lua, -1)));
    case LUA_TBOOLEAN:
      return lua_toboolean(lua, -1) != 0 ? Reply::integer(1) : Reply::nil();
    case LUA_TTABLE:
      break;
    default:
      return Reply::nil();
  }
  for (const char* field : {"err", "ok"}) {
    lua_getfield(lua, -1, field);
    if (lua_type(lua, -1) == LUA_TSTRING) {
      const std::string word = text(-1);
      lua_pop(lua, 1);
      return *field == 'e' ? Reply::error(word) : Reply::status(word);
    }
    lua_pop(lua, 1);
  }
  std::vector<Reply> elements;
  for (int i = 1;; ++i) {
    lua_rawgeti(lua, -1, i);
    if (lua_isnil(lua, -1)) {
      lua_pop(lua, 1);
      return Reply::array(std::move(elements));
    }
    elements.push_back(to_reply(lua));
    lua_pop(lua, 1);
  }
}

void push_words(lua_State* lua, const char* name, const Words& words) {
  lua_createtable(lua, static_cast<int>(words.size()), 0);
  for (size_t i = 0; i < words.size(); ++i) {
    lua_pushlstring(lua, words[i].data(), words[i].size());
    lua_rawseti(lua, -2, static_cast<int>(i + 1));
  }
  lua_pushstring(lua, name);
  lua_insert(lua, -2);
  lua_rawset(lua, LUA_GLOBALSINDEX);
}

int single_field(lua_State* lua, const char* field) {
  luaL_checkstring(lua, 1);
  lua_newtable(lua);
  lua_pushvalue(lua, 1);
  lua_setfield(lua, -2, field);
  return 1;
}
int error_reply(lua_State* lua) { return single_field(lua, "err"); }
int status_reply(lua_State* lua) { return single_field(lua, "ok"); }

int no_global(lua_State* lua) {
  return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'",
                    luaL_checkstring(lua, 2));
}

/// The command of a call; false when an argument is neither string nor number.
bool words_of(lua_State* lua, Words& words) {
  for (int i = 1; i <= lua_gettop(lua); ++i) {
    if (lua_type(lua, i) == LUA_TNUMBER) {
      words.push_back(double_text(lua_tonumber(lua, i)));
    } else if (lua_type(lua, i) == LUA_TSTRING) {
      size_t length = 0;
      const char* text = lua_tolstring(lua, i, &length);
      words.emplace_back(text, length);
    } else {
      return false;
    }
  }
  return !words.empty();
}

}  // namespace

Scripts::Scripts(std::string folder) : folder_(std::move(folder)), lua_(luaL_newstate()) {
  luaL_openlibs(lua_);
  open_struct(lua_);
  for (const char* unsafe :
       {"io", "os", "require", "module", "package", "print", "loadfile", "dofile", "debug"}) {
    lua_pushnil(lua_);
    lua_setglobal(lua_, unsafe);
  }
  lua_pushlightuserdata(lua_, this);
  lua_setfield(lua_, LUA_REGISTRYINDEX, kSelf);
  lua_newtable(lua_);
  const std::pair<const char*, lua_CFunction> functions[] = {{"call", redis_call},
                                                             {"pcall", redis_pcall},
                                                             {"error_reply", error_reply},
                                                             {"status_reply", status_reply}};
  for (const auto& [name, function] : functions) {
    lua_pushcfunction(lua_, function);
    lua_setfield(lua_, -2, name);
  }
  lua_setglobal(lua_, "redis");
  // Neither reading nor making a global that is not there.
  lua_newtable(lua_);
  lua_pushcfunction(lua_, no_global);
  lua_setfield(lua_, -2, "__index");
  lua_pushcfunction(lua_, no_global);
  lua_setfield(lua_, -2, "__newindex");
  lua_pushvalue(lua_, LUA_GLOBALSINDEX);
  lua_insert(lua_, -2);
  lua_setmetatable(lua_, -2);
  lua_pop(lua_, 1);
}

Scripts::~Scripts() { lua_close(lua_); }

int Scripts::redis_call(lua_State* lua) {
  lua_getfield(lua, LUA_REGISTRYINDEX, kSelf);
  auto* self = static_cast<Scripts*>(lua_touserdata(lua, -1));
  lua_pop(lua, 1);
  return self->call(lua, true);
}

int Scripts::redis_pcall(lua_State* lua) {
  lua_getfield(lua, LUA_REGISTRYINDEX, kSelf);
  auto* self = static_cast<Scripts*>(lua_touserdata(lua, -1));
  lua_pop(lua, 1);
  return self->call(lua, false);
}

int Scripts::call(lua_State* lua, bool raise) {
  bool failed = false;
  {
    // Within braces: lua_error jumps over destructors.
    Words words;
    Reply reply;
    if (!words_of(lua, words)) {
      reply = Reply::error("ERR Lua redis lib command arguments must be strings or integers");
      trace_.lua_error = reply.text();
    } else {
      if (Model::writes(words[0])) trace_.commands.push_back(words);
      const bool has_key = words[0] != "TIME" && words.size() > 1;
      const bool mails = words.size() > 1 && words[1].find(":mail:") != std::string::npos &&
                         (words[0] == "RPUSH" || words[0] == "PEXPIRE");
      if (has_key && !mails && std::find(keys_->begin(), keys_->end(), words[1]) == keys_->end())
        trace_.foreign_key = words[0] + " " + words[1];
      if (mails && words[0] == "RPUSH") trace_.mails.push_back({words[1], words[2]});
      reply = model_->call(words);
    }
    failed = reply.is_error();
    lua_settop(lua, 0);
    push_reply(lua, reply);
  }
  if (failed && raise) return lua_error(lua);
  return 1;
}

std::string Scripts::text(const std::string& name) const {
  std::set<std::string> done;
  return expand(folder_, name, done);
}

int Scripts::load(const std::string& name) {
  const auto at = loaded_.find(name);
  if (at != loaded_.end()) return at->second;
  const std::string source = text(name);
  if (luaL_loadbuffer(lua_, source.data(), source.size(), ("@" + name).c_str()) != 0) {
    const std::string error = lua_tostring(lua_, -1);
    throw std::runtime_error(error);
  }
  return loaded_[name] = luaL_ref(lua_, LUA_REGISTRYINDEX);
}

Reply Scripts::run(Model& model, const std::string& name, const Words& keys, const Words& args) {
  const int script = load(name);
  model_ = &model;
  keys_ = &keys;
  trace_ = {};
  push_words(lua_, "KEYS", keys);
  push_words(lua_, "ARGV", args);
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, script);
  const bool failed = lua_pcall(lua_, 0, 1, 0) != 0;
  Reply reply;
  if (failed && lua_type(lua_, -1) == LUA_TSTRING) {
    trace_.lua_error = lua_tostring(lua_, -1);
    reply = Reply::error("ERR " + trace_.lua_error);
  } else {
    reply = to_reply(lua_);  // a command's error, raised, is a table
  }
  lua_settop(lua_, 0);
  return reply;
}

std::vector<std::string> Scripts::names() const {
  std::vector<std::string> all;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder_)) {
    if (file.path().extension() != ".lua") continue;
    const std::string noun = file.path().parent_path().filename();
    if (noun != "lib") all.push_back(noun + "/" + file.path().stem().string());
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::string lua_folder() {
  const char* folder = std::getenv("DCOORD_LUA");
  return folder != nullptr ? folder : DCOORD_LUA_FOLDER;
}

}  // namespace dcoord::testing::sim
