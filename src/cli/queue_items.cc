#include "cli/queue_items.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "output/payload.h"
#include "output/printers.h"

namespace dcoord::cli {

using namespace primitives;

namespace {}  // namespace

void print_items(Context& context, const std::vector<PeekedItem>& items, bool dead) {
  std::vector<output::Record> records;
  for (const PeekedItem& item : items) {
    output::Record record;
    record.add("id", item.id).add("attempts", static_cast<long long>(item.attempts));
    if (!dead) record.add("priority", static_cast<long long>(item.priority)).add("lane", item.lane);
    if (dead) {
      if (item.cause.exit_code)
        record.add("exit_code", static_cast<long long>(*item.cause.exit_code));
      else
        record.add_null("exit_code");
      record.add("reason",
                 context.json() ? item.cause.text : output::shown_payload(item.cause.text, 60));
    }
    if (context.json()) {
      output::add_payload(record, item.payload);
      context.printer().print(record);
    } else {
      record.add("payload", output::shown_payload(item.payload, 80));
      records.push_back(std::move(record));
    }
  }
  if (!context.json()) context.printer().print(records);
}

void confirm_loss(bool yes, const std::string& question) {
  if (yes) return;
  if (isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0)
    throw usage_error("this throws items away", "say so with --yes");
  log::note(0, question + " Type yes:");
  char line[16] = {};
  if (std::fgets(line, sizeof line, stdin) == nullptr || std::string_view(line) != "yes\n")
    throw Error(ExitCode::refused, "not_confirmed", "nothing was thrown away");
}

void print_count(Context& context, const char* what, long long n) {
  output::Record record;
  record.add(what, n);
  if (context.json())
    context.printer().print(record);
  else
    log::note(0, fmt::format("{} {} item{}", what, n, n == 1 ? "" : "s"));
}

}  // namespace dcoord::cli
