#pragma once

#include <string>

#include "primitives/histogram.h"

namespace dcoord::output {

/// One character a count, from that of 1 ms to the last one that is not empty.
std::string sparkline(const primitives::Histogram& h);

}  // namespace dcoord::output
