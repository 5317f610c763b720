#include <unistd.h>

#include <cstdio>

#include "cli/app.h"

int main(int argc, char** argv) {
  const int code = dcoord::cli::run(argc, argv, dcoord::cli::nouns());
#if defined(__SANITIZE_ADDRESS__)
  return code;  // leaks are told at the end
#else
  // All that had to be ended has been. To destroy what the kernel takes back at once, page by page,
  // costs a short command a tenth of its time, while somebody waits for its end.
  std::fflush(nullptr);
  _exit(code);
#endif
}
