// The private server of `local:`.
//
// Where: /var/tmp/dcoord-UID, because it follows from the user id alone. $HOME and $XDG_* differ
// between cron, ssh and a login; /run/user/UID is there only while one is logged in; the home
// directory in the user database may be on NFS (one set of data under the servers of several
// machines), encrypted until a login, missing, or too long for a socket's name. /var/tmp is there
// for everyone, local, and kept over a reboot. Anybody may make a directory in it, so it is used
// only if it is a real directory, ours, and closed to others: what is there instead is refused,
// never used and never replaced.
//
// The one lock is a flock on that directory, taken by whoever starts the server and handed down to
// it: held, somebody is starting or running; free, nobody is, whatever socket a crash or a reboot
// left. It also keeps systemd-tmpfiles, which removes what nobody used for 30 days, away from the
// files of a server that runs.
#include "redis/local.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/service.h"
#include "base/unique_fd.h"
#include "redis/daemon.h"

namespace dcoord::redis {
namespace {

constexpr Duration kFirstPause = Millis(2);
constexpr Duration kLongestPause = Millis(50);
constexpr off_t kLogKept = 1 << 20;

Error unavailable(std::string message, std::string hint) {
  return Error(ExitCode::unavailable, "unreachable", message, std::move(hint));
}

Error refused(const std::string& directory, const char* why) {
  return Error(ExitCode::permission, "permission", fmt::format("local: {} {}", directory, why),
               "it must be a directory of yours with mode 700: look at who made it, and remove it");
}

/// Why `about` is not a directory of ours alone; null when it is.
const char* flaw(const struct stat& about) {
  if (S_ISLNK(about.st_mode)) return "is a symbolic link";
  if (!S_ISDIR(about.st_mode)) return "is not a directory";
  if (about.st_uid != geteuid()) return "belongs to another user";
  if ((about.st_mode & (S_IRWXG | S_IRWXO)) != 0) return "is open to other users";
  return nullptr;
}

/// The directory, made if need be, locked; nothing while somebody else has the lock.
std::optional<UniqueFd> try_lock(const std::string& path) {
  if (mkdir(path.c_str(), S_IRWXU) < 0 && errno != EEXIST) {
    throw unavailable(fmt::format("local: cannot make {}: {}", path, strerror(errno)), {});
  }
  UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat about {};
  const bool seen =
      directory ? fstat(directory.get(), &about) == 0 : lstat(path.c_str(), &about) == 0;
  const int failure = errno;
  if (seen && flaw(about) != nullptr) throw refused(path, flaw(about));
  if (!directory || !seen) {
    throw unavailable(fmt::format("local: cannot open {}: {}", path, strerror(failure)), {});
  }
  if (flock(directory.get(), LOCK_EX | LOCK_NB) == 0) return directory;
  if (errno == EWOULDBLOCK || errno == EINTR) return std::nullopt;
  throw unavailable(fmt::format("local: cannot lock {}: {}", path, strerror(errno)), {});
}

/// Whether somebody runs, starts or stops the server.
bool is_locked(const std::string& path) {
  const UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  return directory && flock(directory.get(), LOCK_EX | LOCK_NB) < 0;
}

/// A connection to the server, if one listens. Never waits: a unix socket connects at once or not
/// at all.
UniqueFd try_connect(const LocalPlace& place) {
  struct stat about {};
  if (lstat(place.directory.c_str(), &about) < 0 || flaw(about) != nullptr) return {};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = place.socket();
  if (path.size() >= sizeof(address.sun_path)) {
    throw unavailable(fmt::format("local: {} is too long for a socket's name", path), {});
  }
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd && connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    return fd;
  }
  return {};
}

/// Whether `text` is a whole status, error or bulk reply.
bool is_whole(std::string_view text) {
  const size_t line = text.find("\r\n");
  if (line == std::string_view::npos) return false;
  if (text[0] != '$') return true;
  size_t length = 0;
  std::from_chars(text.data() + 1, text.data() + line, length);
  return text.size() >= line + 2 + length + 2;
}

/// Sends one command without arguments beyond its words and returns the raw reply, or "" when the
/// server closed the connection instead. Throws Error (unavailable) when it does neither by
/// `until`.
Task<std::string> ask(Loop& loop, int fd, std::string_view command, TimePoint until) {
  // A new connection's buffer takes a few bytes whole.
  if (send(fd, command.data(), command.size(), MSG_NOSIGNAL) < 0) co_return "";
  std::string reply;
  char buffer[4096];
  while (!is_whole(reply)) {
    if (!co_await loop.readable(fd, until)) {
      throw unavailable("local: the server does not answer",
                        "is it stopped, or the machine overloaded?");
    }
    const ssize_t n = read(fd, buffer, sizeof(buffer));
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n <= 0) co_return "";
    reply.append(buffer, static_cast<size_t>(n));
  }
  co_return reply;
}

/// What `field:` says in an INFO reply; "" when it is not there.
std::string info_field(std::string_view info, std::string_view field) {
  const std::string start = fmt::format("\n{}:", field);
  const size_t at = info.find(start);
  if (at == std::string_view::npos) return {};
  const auto rest = info.substr(at + start.size());
  return std::string(rest.substr(0, rest.find_first_of("\r\n")));
}

int info_number(std::string_view info, std::string_view field) {
  const std::string text = info_field(info, field);
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// Connected and past loading its data.
Task<bool> is_ready(Loop& loop, const LocalPlace& place, TimePoint until) {
  const UniqueFd fd = try_connect(place);
  if (!fd) co_return false;
  const std::string reply = co_await ask(loop, fd.get(), "PING\r\n", until);
  co_return reply.starts_with("+PONG");
}

std::vector<std::string> command_line(const std::string& program, const LocalPlace& place) {
  return {
      program,
      "--port",
      "0",
      "--unixsocket",
      place.socket(),
      "--unixsocketperm",
      "700",
      "--dir",
      place.directory,
      "--logfile",
      place.log(),
      "--daemonize",
      "no",  // start_daemon did
      "--save",
      "",
      "--appendonly",
      "yes",
      "--appendfsync",
      "everysec",
      // The log starts with commands rather than an RDB dump: dumps are read by the server that
      // wrote them and its successors, commands by redis and valkey alike.
      "--aof-use-rdb-preamble",
      "no",
      "--maxmemory-policy",
      "noeviction",
  };
}

off_t size_of(const std::string& path) {
  struct stat about {};
  return stat(path.c_str(), &about) == 0 ? about.st_size : 0;
}

/// Starts the server; returns how long its log was before.
off_t start_server(const LocalPlace& place, const UniqueFd& lock) {
  const std::string program = find_program(place.programs);
  if (program.empty()) {
    throw unavailable(
        "local: needs redis-server or valkey-server, and neither is installed",
        "install the package redis-server or valkey-server, or name a server with --url");
  }
  const std::string path = place.log();
  if (size_of(path) > kLogKept) rename(path.c_str(), (path + ".old").c_str());
  const UniqueFd log(
      open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!log) throw unavailable(fmt::format("local: cannot write {}: {}", path, strerror(errno)), {});
  const off_t before = size_of(path);
  start_daemon(command_line(program, place), lock.get(), log.get());
  return before;
}

/// What the server said before it gave up: the last line of its log after `start`.
Error did_not_start(const LocalPlace& place, off_t start) {
  const UniqueFd log(open(place.log().c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[8192];
  const off_t from = std::max(start, size_of(place.log()) - static_cast<off_t>(sizeof(buffer)));
  const ssize_t n = log ? pread(log.get(), buffer, sizeof(buffer), from) : 0;
  std::string_view text(buffer, n > 0 ? static_cast<size_t>(n) : 0);
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  const size_t line = text.rfind('\n');
  if (line != std::string_view::npos) text.remove_prefix(line + 1);
  return unavailable(fmt::format("local: the server did not start: {}",
                                 text.empty() ? "it wrote no reason" : text),
                     "the whole of what it said is in " + place.log());
}

}  // namespace

LocalPlace user_local_place() {
  return {fmt::format("{}{}", kServiceDirectory, geteuid()), {"redis-server", "valkey-server"}};
}

Task<std::string> ensure_local_server(Loop& loop, TimePoint until) {
  return ensure_local_server_at(loop, until, user_local_place());
}

Task<std::string> ensure_local_server_at(Loop& loop, TimePoint until, LocalPlace place) {
  if (try_connect(place)) co_return place.socket();
  std::optional<off_t> started;  // by us; then the length of the log before
  for (Duration pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    if (co_await is_ready(loop, place, until)) co_return place.socket();
    if (auto lock = try_lock(place.directory)) {
      if (started) throw did_not_start(place, *started);
      started = start_server(place, *lock);
    }
    if (loop.now() >= until) {
      throw unavailable("local: the server was not ready in time", "its log is " + place.log());
    }
    co_await loop.sleep_until(std::min(until, add(loop.now(), pause)));
  }
}

Task<LocalStatus> local_status(Loop& loop, TimePoint until) {
  return local_status_at(loop, until, user_local_place());
}

Task<LocalStatus> local_status_at(Loop& loop, TimePoint until, LocalPlace place) {
  LocalStatus status;
  status.directory = place.directory;
  status.socket = place.socket();
  status.log = place.log();
  const UniqueFd fd = try_connect(place);
  if (!fd) co_return status;
  const std::string info = co_await ask(loop, fd.get(), "INFO\r\n", until);
  status.pid = info_number(info, "process_id");
  if (status.pid == 0) co_return status;  // it ended while being asked
  status.running = true;
  const std::string valkey = info_field(info, "valkey_version");
  status.server =
      valkey.empty() ? "redis " + info_field(info, "redis_version") : "valkey " + valkey;
  status.up = std::chrono::seconds(info_number(info, "uptime_in_seconds"));
  status.clients = std::max(info_number(info, "connected_clients") - 1, 0);
  co_return status;
}

Task<bool> stop_local_server(Loop& loop, TimePoint until) {
  return stop_local_server_at(loop, until, user_local_place());
}

Task<bool> stop_local_server_at(Loop& loop, TimePoint until, LocalPlace place) {
  const UniqueFd fd = try_connect(place);
  if (!fd) co_return false;
  // By asking rather than by a signal to a process id: what answers on the socket is the server for
  // certain.
  const std::string reply = co_await ask(loop, fd.get(), "SHUTDOWN\r\n", until);
  if (!reply.empty()) {
    throw unavailable(
        fmt::format("local: the server refused to stop: {}", reply.substr(0, reply.find('\r'))),
        "its log is " + place.log());
  }
  // Somebody who needs it may be starting it again already; what listens then is the new one.
  while (is_locked(place.directory) && !try_connect(place)) {
    if (loop.now() >= until) throw unavailable("local: the server did not end in time", {});
    co_await loop.sleep_until(std::min(until, add(loop.now(), kFirstPause)));
  }
  co_return true;
}

}  // namespace dcoord::redis
