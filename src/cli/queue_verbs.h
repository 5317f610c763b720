#pragma once

#include <string>

#include "cli/command.h"
#include "primitives/queue.h"

namespace dcoord::cli {

Verb queue_push_verb();  ///< queue_push.cc
Verb queue_pop_verb();   ///< queue_pop.cc
Verb queue_work_verb();  ///< queue_work.cc
Verb queue_list_verb();  ///< queue_admin.cc
Verb queue_show_verb();
Verb queue_peek_verb();
Verb queue_purge_verb();
Verb queue_dead_verb();  ///< queue_dead.cc

/// A receipt as users see it: it names its queue, too, and is one word.
std::string shown_receipt(const std::string& receipt, const std::string& queue);
struct ShownReceipt {
  std::string receipt, queue;
};
/// Throws Error (64) for what is none.
ShownReceipt read_receipt(const std::string& text);

}  // namespace dcoord::cli
