#pragma once

#include <sys/types.h>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "hold/shared.h"
#include "hold/start_state.h"

namespace dcoord::hold {

/// The supervisor's end of its guard.
class GuardLink {
 public:
  GuardLink(Shared& shared, const StartState& start) : shared_(shared), start_(start) {}
  /// Ends the guard. One that has a command ends that first, for which it gets a moment.
  ~GuardLink();
  GuardLink(const GuardLink&) = delete;
  GuardLink& operator=(const GuardLink&) = delete;

  /// Forks the guard; one that has been used, or has died, is replaced. False when there is one
  /// already. Throws Error when the system refuses.
  bool fork();

  pid_t pid() const { return pid_; }
  /// Readable when the guard has something to say, or is gone.
  int socket() const { return socket_.get(); }
  /// Sends it a message; it is woken if it was stopped.
  void tell(Message::Kind kind, int value = 0);
  /// Has it start the command in the shared memory, with these descriptors as its standard input
  /// and standard error; -1: ours.
  void start(int input, int errors);
  /// After its report: what the command left behind may live, and the guard goes, or waits for the
  /// next command.
  void release();
  /// Has it look at the shared memory again.
  void poke() const;
  /// The next of its messages; false when there is none now.
  bool hear(Message& out);

  /// Whether it has died (and was collected).
  bool died();
  /// Past `due`, by when it should have finished: whether it is stopped, or has not moved for a
  /// while.
  bool stands_still(TimePoint now, TimePoint due);
  /// When to ask that (again).
  TimePoint next_check(TimePoint due) const;
  void kill();
  /// It was collected by somebody else.
  void forget() { pid_ = 0; }

 private:
  Duration patience() const;
  void replace();
  void reset();
  void send(const Message& message, const int* descriptors, int count) const;

  Shared& shared_;
  const StartState& start_;
  pid_t pid_ = 0;
  bool used_ = false;
  UniqueFd socket_;
  TimePoint sampled_at_ = kNever;
  unsigned sampled_beat_ = 0;
};

}  // namespace dcoord::hold
