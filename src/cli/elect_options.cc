#include "cli/elect_options.h"

#include <fmt/format.h>

#include "base/error.h"
#include "primitives/keys.h"

namespace dcoord::cli {

void ElectOptions::declare(OptionSet& set) {
  set.positional("NAME", "election", name, "name of the election");
  set.flag("--once", once, "leave with 79 when leadership is lost, instead of campaigning again");
  set.text("--candidate", "ID", candidate, "name of this candidate; HOST:PID");
  set.text("--proposal", "TEXT", proposal, "shown to those that observe the election, 200 bytes");
  set.choice("--restart", "WHEN", restart, {"never", "on-failure", "always"},
             "run a command that ends while it leads again, after a pause that grows, what it left "
             "in the background killed; never: resign and leave with its code; a --max-time that "
             "is over ends the campaign all the same, with 124");
  set.text("--on-acquired", "CMD", on_acquired,
           "shell command to run, for at most 10s, before the command of each term");
  set.duration("--min-tenure", min_tenure,
               "nobody else leads sooner after the election, also when the command ends by itself");
  set.duration("-w,--wait", wait, "campaign at most so long, then exit 75; without it, for ever");
  lease.declare(set);
  set.duration("--heartbeat", heartbeat,
               "how often a leader proves that it leads; another name of --renew-every");
  storage.declare(set);
  quorum.declare(set);
  command.declare(set);
}

void ElectOptions::check() const {
  primitives::check_name(name, "election name");
  if (!candidate.empty()) primitives::check_name(candidate, "--candidate");
  // What is shown of a holder is cut there.
  const auto check_length = [](const char* flag, const std::string& text) {
    if (text.size() <= 200) return;
    throw usage_error(fmt::format("{} has {} bytes, 200 at most are allowed", flag, text.size()));
  };
  check_length("--candidate", candidate);
  check_length("--proposal", proposal);
  if (heartbeat && lease.renew_every)
    throw usage_error("--heartbeat and --renew-every are the same: give one of them");
  if (min_tenure == kForever) throw usage_error("--min-tenure must end some time");
  command.check();
}

}  // namespace dcoord::cli
