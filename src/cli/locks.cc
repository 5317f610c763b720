#include "cli/command.h"
#include "cli/context.h"
#include "primitives/lock.h"

namespace dcoord::cli {

Noun locks_noun() {
  Verb list;
  list.name = "list";
  list.summary = "all locks, live and stale";
  list.usage = "";
  list.examples = {"dcoord locks list", "dcoord locks list --json"};
  list.run = [](Context& context) {
    const primitives::Keys keys(context.config().key_namespace);
    const auto locks = context.loop().run(primitives::list_locks(
        context.scripts(), keys, primitives::LockKind::lock, 100, context.patience()));
    context.printer().print(locks);
    return to_int(ExitCode::ok);
  };
  Noun noun;
  noun.name = "locks";
  noun.summary = "see all locks";
  noun.examples = {"dcoord locks list", "dcoord locks list -o plain | cut -f1,2",
                   "dcoord locks list --json"};
  noun.verbs = {list};
  return noun;
}

}  // namespace dcoord::cli
