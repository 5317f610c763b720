#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>

#include "hold/deadline.h"

namespace dcoord::hold {

/// What became of the command; written by the guard before it sends Message::ended.
struct Report {
  Ending ending = Ending::by_itself;
  int status = 0;
  bool tree_ended = true;
  bool stays = false;  ///< nothing of the tree is left, and the guard waits for the next command
  char survivors[256] = {};
};

/// The memory of supervisor and guard: one anonymous mapping, at the same address in both since the
/// guard is a fork. Behind it, in the same mapping, lies the command's argv and environment
/// (spawn.h).
struct Shared {
  Deadline deadline;
  std::atomic<unsigned> beat{0};  ///< the guard is alive and at work: counts its turns
  std::atomic<pid_t> command{0};  ///< the command's process id, once forked, until it is reaped
  std::atomic<int> exec_errno{
      0};  ///< why the command could not be executed; written by its own process
  std::atomic<bool> reported{false};  ///< `report` is complete
  Report report;

  /// The guard serves one command after the other. It has a session of its own from the start, and
  /// keeps this process's folder and those descriptors that a command inherits. Set before the
  /// fork.
  bool stays = false;

  // Set by the supervisor before Message::start.
  bool own_group =
      false;  ///< the command leads a process group of its own (no controlling terminal)
  Tree tree = Tree::leave;
  Duration kill_after = kForever;
  Duration max_time = kForever;
  // The command; each list ends with a null.
  char** argv = nullptr;   ///< with a free slot before it, see exec_command
  char** unset = nullptr;  ///< names
  char** set = nullptr;    ///< NAME=VALUE
  char* room = nullptr;    ///< what is free of this memory, for exec_command
  char* end = nullptr;
};

/// What goes over the socket, in one datagram each.
struct Message {
  enum Kind : int {
    // to the guard
    start,    ///< fork the command; `value` says which descriptors come along: kInput, kErrors
    forward,  ///< send it signal `value`
    kill,     ///< KILL the whole tree now, as the user asked for
    resume,   ///< continue the command, if its last stop is number `value`
    leave,    ///< after `ended`: what the command left behind may live
    // to the supervisor
    stopped,  ///< the command was stopped: `value` is stop_value()
    ended,    ///< see Shared::report
  };
  Kind kind;
  int value;

  static constexpr int kInput = 1, kErrors = 2;

  /// Stops are counted, so that one can be told from the next.
  static int stop_value(int number, int signal) { return number << 8 | signal; }
  static int stop_number(int value) { return value >> 8; }
  static int stop_signal(int value) { return value & 0xff; }
};

}  // namespace dcoord::hold
