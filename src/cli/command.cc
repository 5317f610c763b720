#include "cli/command.h"

#include <utility>

#include "cli/context.h"

namespace dcoord::cli {

void batchable(Verb& verb, std::function<Task<int>(Context&)> task) {
  verb.run = [task](Context& context) { return context.loop().run(task(context)); };
  verb.task = std::move(task);
}

}  // namespace dcoord::cli
