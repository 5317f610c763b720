#pragma once

#include "cli/command.h"
#include "output/record.h"
#include "primitives/event.h"

namespace dcoord::cli {

Verb event_publish_verb();    ///< event_publish.cc
Verb event_subscribe_verb();  ///< event_subscribe.cc

/// An event as fields: id, topic, time, publisher, data (or data_base64).
output::Record describe_event(const primitives::TopicEvent& event);

}  // namespace dcoord::cli
