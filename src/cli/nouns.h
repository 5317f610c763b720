#pragma once

#include "cli/command.h"

namespace dcoord::cli {

Noun lock_noun();
Noun locks_noun();
Noun selftest_noun();
Noun elect_noun();
Noun job_noun();
Noun barrier_noun();
Noun state_noun();
Noun queue_noun();
Noun trace_noun();
Noun top_noun();
Noun metrics_noun();
Noun health_noun();
Noun breaker_noun();
Noun event_noun();
Noun batch_noun();
Noun local_noun();
Noun config_noun();
Noun completion_noun();
Noun help_noun();
Noun version_noun();

}  // namespace dcoord::cli
