#pragma once

#include <string>

#include "primitives/holder.h"

namespace dcoord::cli {

/// What Holder::within says of a request that this process makes: the locks, leaderships and
/// jobs that the dcoords around it hold, as DCOORD_HELD and DCOORD_WITHIN tell. The innermost
/// fifteen.
std::string within();

/// The same for the command of a hold with this token.
std::string within(const std::string& token);

/// What `who` holds ends when this process and its guard have.
void tie_to_guard(primitives::Holder& who, long guard);

}  // namespace dcoord::cli
