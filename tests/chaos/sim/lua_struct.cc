// The struct library of a server, as far as its formats are used: < > b B h H i I (with a size), d,
// c.
#include <algorithm>
#include <cstring>
#include <lua.hpp>
#include <string>

#include "chaos/sim/lua.h"

namespace dcoord::testing::sim {
namespace {

/// Goes through a format.
struct Format {
  const char* at;
  bool little = true;

  int number(int otherwise) {
    if (*at < '0' || *at > '9') return otherwise;
    int n = 0;
    while (*at >= '0' && *at <= '9') n = n * 10 + (*at++ - '0');
    return n;
  }
  /// The next letter and its size; 0 at the end.
  char next(lua_State* lua, int& size) {
    while (true) {
      const char letter = *at;
      if (letter == '\0') return letter;
      ++at;
      switch (letter) {
        case '<':
          little = true;
          continue;
        case '>':
          little = false;
          continue;
        case ' ':
          continue;
        case 'b':
        case 'B':
          size = 1;
          return letter;
        case 'h':
        case 'H':
          size = 2;
          return letter;
        case 'i':
        case 'I':
          size = number(4);
          if (size < 1 || size > 8)
            luaL_error(lua, "integral size %d is larger than limit of 32", size);
          return letter;
        case 'd':
          size = 8;
          return letter;
        case 'c':
          size = number(1);
          return letter;
        default:
          luaL_error(lua, "invalid format option '%c'", letter);
      }
    }
  }
};

void put_integer(std::string& out, lua_Number n, int size, bool little) {
  auto bits = n < 0 ? static_cast<uint64_t>(static_cast<int64_t>(n)) : static_cast<uint64_t>(n);
  std::string bytes;
  for (int i = 0; i < size; ++i, bits >>= 8) bytes += static_cast<char>(bits & 255);
  if (!little) std::reverse(bytes.begin(), bytes.end());
  out += bytes;
}

int pack(lua_State* lua) {
  Format format{luaL_checkstring(lua, 1)};
  std::string out;
  int size = 0, argument = 2;
  while (const char letter = format.next(lua, size)) {
    if (letter == 'c') {
      size_t length = 0;
      const char* text = luaL_checklstring(lua, argument++, &length);
      if (size == 0) size = static_cast<int>(length);
      if (length < static_cast<size_t>(size)) luaL_argerror(lua, argument, "string too short");
      out.append(text, static_cast<size_t>(size));
    } else if (letter == 'd') {
      const lua_Number n = luaL_checknumber(lua, argument++);
      out.append(reinterpret_cast<const char*>(&n), sizeof n);
    } else {
      put_integer(out, luaL_checknumber(lua, argument++), size, format.little);
    }
  }
  lua_pushlstring(lua, out.data(), out.size());
  return 1;
}

lua_Number get_integer(const char* bytes, int size, bool little, bool is_signed) {
  uint64_t bits = 0;
  for (int i = 0; i < size; ++i) {
    const int at = little ? size - 1 - i : i;
    bits = bits << 8 | static_cast<unsigned char>(bytes[at]);
  }
  if (!is_signed) return static_cast<lua_Number>(bits);
  const uint64_t top = uint64_t{1} << (8 * size - 1);
  return static_cast<lua_Number>(static_cast<int64_t>((bits ^ top) - top));
}

int unpack(lua_State* lua) {
  Format format{luaL_checkstring(lua, 1)};
  size_t length = 0;
  const char* data = luaL_checklstring(lua, 2, &length);
  const lua_Integer first = luaL_optinteger(lua, 3, 1);
  luaL_argcheck(lua, first > 0, 3, "offset must be 1 or greater");
  auto at = static_cast<size_t>(first - 1);
  lua_settop(lua, 2);
  int size = 0;
  while (const char letter = format.next(lua, size)) {
    if (letter == 'c' && size == 0) {
      if (lua_gettop(lua) == 2 || lua_isnumber(lua, -1) == 0)
        luaL_error(lua, "format 'c0' needs a previous size");
      size = static_cast<int>(lua_tonumber(lua, -1));
      lua_pop(lua, 1);
      luaL_argcheck(lua, size >= 0, 2, "data string too short");
    }
    luaL_argcheck(lua, at + static_cast<size_t>(size) <= length, 2, "data string too short");
    luaL_checkstack(lua, 2, "too many results");
    if (letter == 'c') {
      lua_pushlstring(lua, data + at, static_cast<size_t>(size));
    } else if (letter == 'd') {
      lua_Number n = 0;
      std::memcpy(&n, data + at, sizeof n);
      lua_pushnumber(lua, n);
    } else {
      lua_pushnumber(lua, get_integer(data + at, size, format.little, letter >= 'a'));
    }
    at += static_cast<size_t>(size);
  }
  lua_pushinteger(lua, static_cast<lua_Integer>(at + 1));
  return lua_gettop(lua) - 2;
}

}  // namespace

void open_struct(lua_State* lua) {
  lua_newtable(lua);
  lua_pushcfunction(lua, pack);
  lua_setfield(lua, -2, "pack");
  lua_pushcfunction(lua, unpack);
  lua_setfield(lua, -2, "unpack");
  lua_setglobal(lua, "struct");
}

}  // namespace dcoord::testing::sim
