#pragma once

namespace dcoord {

// A program that dcoord starts for everybody, the server of `local:`, belongs to no command's tree,
// though the first to need it may be one of that tree. It is known by the lock that it keeps for as
// long as it runs: its descriptor kServiceLock is a directory named kServiceDirectory and a number.

inline constexpr int kServiceLock = 3;
inline constexpr char kServiceDirectory[] = "/var/tmp/dcoord-";

}  // namespace dcoord
