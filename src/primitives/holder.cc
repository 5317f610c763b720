#include "primitives/holder.h"

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/unique_fd.h"
#include "primitives/protocol.h"

namespace dcoord::primitives {
namespace {

constexpr size_t kLongestField = 200;

void append(std::string& out, std::string_view field) {
  for (const char c : field.substr(0, kLongestField)) {
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  out += kFieldSeparator;
}

/// The start of a small file; empty when it cannot be read (not Linux, hidden by a sandbox).
std::string read_small(const char* path) {
  UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> buffer{};
  const ssize_t n = fd ? read(fd.get(), buffer.data(), buffer.size()) : 0;
  return n > 0 ? std::string(buffer.data(), static_cast<size_t>(n)) : std::string();
}

std::string user_name() {
  const uid_t uid = geteuid();
  if (const char* user = std::getenv("USER"); user != nullptr && *user != '\0') return user;
  if (const char* user = std::getenv("LOGNAME"); user != nullptr && *user != '\0') return user;
  return uid == 0 ? "root" : std::to_string(uid);
}

/// The page of the CI job this runs in.
std::string ci_link() {
  const auto env = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  for (const char* name : {"CI_JOB_URL", "BUILD_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL"}) {
    if (const std::string url = env(name); !url.empty()) return url;
  }
  const std::string run = env("GITHUB_RUN_ID");
  return run.empty()
             ? ""
             : env("GITHUB_SERVER_URL") + "/" + env("GITHUB_REPOSITORY") + "/actions/runs/" + run;
}

}  // namespace

long long start_time_of(long pid) {
  const std::string stat = read_small(("/proc/" + std::to_string(pid) + "/stat").c_str());
  // The second field, the name, may hold anything: count from behind its closing bracket.
  auto rest = std::string_view(stat);
  const size_t close_bracket = rest.rfind(')');
  if (close_bracket == std::string_view::npos) return 0;
  rest.remove_prefix(close_bracket + 1);
  for (int field = 3; field <= 22; ++field) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (field == 22) return to_number<long long>(rest);
    rest.remove_prefix(std::min(rest.find(' '), rest.size()));
  }
  return 0;
}

std::string encode(const Holder& h) {
  std::string out;
  append(out, h.owner);
  append(out, h.host);
  append(out, std::to_string(h.pid));
  append(out, h.user);
  append(out, h.command);
  append(out, h.label);
  append(out, h.boot_id);
  append(out, h.pid_namespace);
  append(out, std::to_string(h.start_time));
  append(out, h.link);
  append(out, h.proposal);
  append(out, h.within);
  append(out, h.guard == 0 ? "" : std::to_string(h.guard));
  append(out, h.guard == 0 ? "" : std::to_string(h.guard_start));
  // What is missing at the end is read as empty, so most records need no more.
  while (out.size() > 1 && out[out.size() - 2] == kFieldSeparator) out.pop_back();
  return out;
}

Holder decode_holder(std::string_view text) {
  std::vector<std::string_view> fields;
  while (!text.empty()) {
    const size_t end = std::min(text.find(kFieldSeparator), text.size());
    fields.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  fields.resize(14);
  Holder h;
  h.owner = fields[0];
  h.host = fields[1];
  h.pid = to_number<long>(fields[2]);
  h.user = fields[3];
  h.command = fields[4];
  h.label = fields[5];
  h.boot_id = fields[6];
  h.pid_namespace = fields[7];
  h.start_time = to_number<long long>(fields[8]);
  h.link = fields[9];
  h.proposal = fields[10];
  h.within = fields[11];
  h.guard = to_number<long>(fields[12]);
  h.guard_start = to_number<long long>(fields[13]);
  return h;
}

HolderProcess process_of(std::string_view text) {
  const auto next = [&] {
    const size_t end = std::min(text.find(kFieldSeparator), text.size());
    const std::string_view field = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return field;
  };
  next();  // the owner
  HolderProcess process;
  process.host = next();
  process.pid = to_number<long>(next());
  return process;
}

Holder this_process(std::string owner, std::string command, std::string label) {
  Holder h;
  h.owner = std::move(owner);
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) == 0) h.host = host.data();
  h.pid = getpid();
  h.user = user_name();
  h.command = std::move(command);
  h.label = std::move(label);
  h.boot_id = read_small("/proc/sys/kernel/random/boot_id");
  while (!h.boot_id.empty() && std::isspace(static_cast<unsigned char>(h.boot_id.back())))
    h.boot_id.pop_back();
  std::array<char, 64> ns{};
  if (const ssize_t n = readlink("/proc/self/ns/pid", ns.data(), ns.size()); n > 0) {
    h.pid_namespace.assign(ns.data(), static_cast<size_t>(n));
  }
  h.start_time = start_time_of(h.pid);
  h.link = ci_link();
  return h;
}

}  // namespace dcoord::primitives
