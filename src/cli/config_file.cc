#include "cli/config_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/unique_fd.h"

namespace dcoord::cli {
namespace {

constexpr size_t kMostBytes = 1 << 20;

[[noreturn]] void cannot_read(const std::string& path, const char* why) {
  throw config_error(fmt::format("cannot read the configuration file {}: {}", path, why));
}

std::string read_all(int fd, const std::string& path) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) cannot_read(path, std::strerror(errno));
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > kMostBytes) cannot_read(path, "it is larger than 1 MiB");
  }
}

/// A file that cannot even be seen (`sudo -u other` with the caller's HOME) counts as absent; one
/// that is there but cannot be read does not: going on would use another server than the one that
/// it names.
std::optional<ConfigFile> read_one(const std::string& path, Origin::Source source,
                                   bool must_exist) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!fd) {
    const int error = errno;
    const bool visible = stat(path.c_str(), &status) == 0;
    if (!must_exist && !visible) return std::nullopt;
    cannot_read(path, std::strerror(error));
  }
  if (fstat(fd.get(), &status) != 0) cannot_read(path, std::strerror(errno));
  if (S_ISDIR(status.st_mode)) cannot_read(path, std::strerror(EISDIR));
  ConfigFile file;
  file.path = path;
  file.source = source;
  file.readable_by_others = (status.st_mode & (S_IRGRP | S_IROTH)) != 0;
  file.entries = parse_toml(read_all(fd.get(), path), path);
  return file;
}

}  // namespace

std::string dotted(const Entry& entry) {
  std::string text;
  for (const auto& part : entry.table) text += part + '.';
  return text + entry.key;
}

std::string place(const ConfigFile& file, const Entry& entry) {
  return fmt::format("{}:{}: {}", file.path, entry.line, dotted(entry));
}

std::string user_config_path(const Environment& environment) {
  // The XDG specification has relative paths ignored.
  const auto xdg = environment.get("XDG_CONFIG_HOME");
  if (xdg && xdg->starts_with('/')) return std::string(*xdg) + "/dcoord/config.toml";
  std::string home(environment.get("HOME").value_or(""));
  if (home.empty()) {
    const passwd* entry = getpwuid(getuid());
    if (entry == nullptr || entry->pw_dir == nullptr || entry->pw_dir[0] == '\0') return "";
    home = entry->pw_dir;
  }
  return home + "/.config/dcoord/config.toml";
}

std::vector<ConfigFile> read_config_files(const ConfigPaths& paths) {
  std::vector<ConfigFile> files;
  if (paths.only) {
    files.push_back(*read_one(*paths.only, Origin::Source::user_file, true));
    return files;
  }
  if (!paths.user.empty()) {
    if (auto file = read_one(paths.user, Origin::Source::user_file, false)) {
      files.push_back(std::move(*file));
    }
  }
  if (auto file = read_one(paths.system, Origin::Source::system_file, false)) {
    files.push_back(std::move(*file));
  }
  return files;
}

}  // namespace dcoord::cli
