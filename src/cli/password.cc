#include "cli/password.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "cli/terminal.h"

namespace dcoord::cli {
namespace {

/// The first line. `origin` is the option or variable that named the file.
std::string read_password_file(const std::string& path, const std::string& origin, bool warn) {
  const auto fail = [&](const char* why) {
    return config_error(
        fmt::format("cannot read the password file {} (from {}): {}", path, origin, why));
  };
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0) throw fail(std::strerror(errno));
  if (S_ISDIR(status.st_mode)) throw fail(std::strerror(EISDIR));
  if (warn && S_ISREG(status.st_mode) && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    log::warning(fmt::format("others can read the password file {}: chmod 600 it", path));
  }
  std::string text;
  char buffer[512];
  while (text.find('\n') == text.npos && text.size() < 65536) {
    const ssize_t n = read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw fail(std::strerror(errno));
    if (n == 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  text.resize(std::min(text.size(), text.find('\n')));
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) throw fail("its first line is empty");
  return text;
}

/// Reads it at every call, so that a new connection gets the new password after a change; but a
/// file that is gone by then (or a pipe, read once) must not end what is held.
PasswordSource from_file(std::string path, std::string origin) {
  auto last = std::make_shared<std::optional<std::string>>();
  return [path = std::move(path), origin = std::move(origin), last]() {
    try {
      *last = read_password_file(path, origin, !last->has_value());
    } catch (const Error&) {
      if (!*last) throw;
    }
    return *last;
  };
}

PasswordSource from_terminal(std::string user) {
  auto last = std::make_shared<std::optional<std::string>>();
  return [user = std::move(user), last]() {
    if (!*last) {
      *last = ask_password(user.empty() ? "Redis password: "
                                        : fmt::format("Redis password of {}: ", user));
    }
    return *last;
  };
}

PasswordSource fixed(std::string password) {
  return [password = std::move(password)]() { return std::optional(password); };
}

/// One of several places that a password may come from.
struct Candidate {
  Origin origin;
  PasswordSource get;
};

void add_file(std::vector<Candidate>& candidates, const std::optional<std::string>& path,
              const Origin& origin) {
  if (path && !path->empty()) candidates.push_back({origin, from_file(*path, origin.where)});
}

void add_variable(std::vector<Candidate>& candidates, const Environment& environment,
                  const char* name) {
  const auto value = environment.get(name);
  if (value)
    candidates.push_back({{Origin::Source::environment, name}, fixed(std::string(*value))});
}

/// The first; but one in a file yields to flags and variables, as any option does.
Password choose(std::vector<Candidate> candidates) {
  const auto first = std::min_element(
      candidates.begin(), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return a.origin.source < b.origin.source; });
  if (first == candidates.end()) return {};
  return {first->origin.where, std::move(first->get)};
}

}  // namespace

Password choose_password(const Globals& globals, const Environment& environment,
                         PasswordSource from_url, const std::string& url_origin) {
  std::vector<Candidate> candidates;
  if (globals.askpass) {
    candidates.push_back(
        {globals.option("askpass").origin, from_terminal(globals.user.value_or(""))});
  }
  if (globals.pass) candidates.push_back({globals.option("pass").origin, fixed(*globals.pass)});
  add_file(candidates, globals.pass_file, globals.option("pass-file").origin);
  for (const char* name : {"DCOORD_PASSWORD", "VALKEYCLI_AUTH", "REDISCLI_AUTH"})
    add_variable(candidates, environment, name);
  Password chosen = choose(std::move(candidates));
  if (!chosen.get && from_url) return {url_origin, std::move(from_url)};
  return chosen;
}

Password choose_sentinel_password(const Globals& globals, const Environment& environment) {
  std::vector<Candidate> candidates;
  add_file(candidates, globals.sentinel_pass_file, globals.option("sentinel-pass-file").origin);
  add_variable(candidates, environment, "DCOORD_SENTINEL_PASSWORD");
  return choose(std::move(candidates));
}

}  // namespace dcoord::cli
