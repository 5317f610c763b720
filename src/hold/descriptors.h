#pragma once

namespace dcoord::hold {

/// Descriptors 0 to 2 become /dev/null; all others but `keep` are closed. Does not allocate.
void drop_descriptors(const int* keep, int count);
/// All that no command would inherit are closed, but `keep`. Does not allocate.
void drop_private_descriptors(int keep);

/// A signal taken from a signalfd.
struct Collected {
  int signal = 0;
  int code = 0;    ///< si_code: SI_KERNEL when typed at the terminal
  int sender = 0;  ///< process id
};
/// The next signal in a non-blocking signalfd; false when there is none.
bool next_signal(int fd, Collected& out);

}  // namespace dcoord::hold
