#include "redis/slots.h"

#include <algorithm>

namespace dcoord::redis {
namespace {

/// CRC16 as XMODEM has it: polynomial 0x1021, from 0.
uint16_t crc16(std::string_view text) {
  unsigned crc = 0;
  for (const char c : text) {
    crc ^= static_cast<unsigned>(static_cast<unsigned char>(c)) << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ ((crc & 0x8000U) != 0 ? 0x1021U : 0U);
    crc &= 0xffffU;
  }
  return static_cast<uint16_t>(crc);
}

}  // namespace

int slot_of(std::string_view key) {
  const size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1)
      key = key.substr(open + 1, close - open - 1);
  }
  return crc16(key) % kSlots;
}

const HostPort* SlotMap::owner(int slot) const {
  const uint16_t number = owners_.empty() ? 0 : owners_[static_cast<size_t>(slot)];
  return number == 0 ? nullptr : &nodes_[number - 1U];
}

uint16_t SlotMap::number_of(const HostPort& node) {
  owners_.resize(kSlots);
  auto at = std::find(nodes_.begin(), nodes_.end(), node);
  if (at == nodes_.end()) at = nodes_.insert(at, node);
  return static_cast<uint16_t>(at - nodes_.begin() + 1);
}

void SlotMap::assign(int slot, const HostPort& node) {
  const uint16_t number = number_of(node);
  owners_[static_cast<size_t>(slot)] = number;
}

void SlotMap::load(const Reply& reply, const HostPort& asked) {
  std::fill(owners_.begin(), owners_.end(), uint16_t{0});
  for (const Reply& range : reply.elements()) {
    const Reply& master = range.at(2);
    HostPort node{"", static_cast<int>(master.at(1).number())};
    if (!master.at(0).is_nil()) node.host = master.at(0).text();
    if (node.host.empty()) node.host = asked.host;
    const uint16_t number = number_of(node);
    const auto first = static_cast<int>(std::clamp<int64_t>(range.at(0).number(), 0, kSlots));
    const auto end = static_cast<int>(std::clamp<int64_t>(range.at(1).number() + 1, first, kSlots));
    std::fill(owners_.begin() + first, owners_.begin() + end, number);
  }
}

void SlotMap::forget(const HostPort& node) {
  const auto at = std::find(nodes_.begin(), nodes_.end(), node);
  if (at == nodes_.end()) return;
  const auto number = static_cast<uint16_t>(at - nodes_.begin() + 1);
  std::replace(owners_.begin(), owners_.end(), number, uint16_t{0});
}

}  // namespace dcoord::redis
