#pragma once

#include <string>
#include <string_view>

namespace dcoord::primitives {

/// Who asks for something: stored with the hold and shown to others. All of it is text that other
/// clients wrote: print it escaped, believe nothing of it.
struct Holder {
  std::string owner;  ///< random, made by the outermost dcoord of a chain and inherited
  std::string host;
  long pid = 0;  ///< of the supervisor, or of the process that acquired
  std::string user;
  std::string command;  ///< shortened
  std::string label;    ///< --label
  std::string boot_id;  ///< of the kernel, to tell a reboot
  std::string pid_namespace;
  long long start_time = 0;  ///< of pid, clock ticks after boot: pids are used again
  std::string link;          ///< of the CI job, if its environment has one
  std::string proposal;      ///< of a candidate, for those that observe the election
  /// Starts of the tokens of the holds around it, 12 characters each, joined by spaces, the
  /// innermost last: those end only when this one has got what it waits for.
  std::string within;
  /// The guard's pid and start time. Without one the end of `pid` does not end the hold.
  long guard = 0;
  long long guard_start = 0;
};

/// One line of opaque bytes, as the scripts store it; fields may be added at the end.
std::string encode(const Holder& holder);
/// Reads what encode wrote; what is missing stays empty.
Holder decode_holder(std::string_view text);

/// Of what encode wrote no more than where that process is; the host lies in `text`.
struct HolderProcess {
  std::string_view host;
  long pid = 0;
};
HolderProcess process_of(std::string_view text);

/// How much of a token `within` has, and is enough to name a hold.
inline constexpr size_t kTokenStart = 12;

/// Clock ticks from boot to the start of a process; 0 when that cannot be read.
long long start_time_of(long pid);

/// This process, asking on behalf of `owner` to run `command`.
Holder this_process(std::string owner, std::string command, std::string label);

}  // namespace dcoord::primitives
