// Every bound of the addon, and how the memory that JavaScript shares with it is laid out (src/coap/udp-addon.ts has the same).
#pragma once

#include <cstddef>
#include <cstdint>

namespace udp {

/// A UDP payload can not be longer (RFC 768).
constexpr size_t kMaxDatagram = 65535;
/// Datagrams of one system call, in and out.
constexpr unsigned kBatch = 64;
/// Batches read in one turn of the event loop: others want to be heard too.
constexpr unsigned kBatchesPerTurn = 4;

/// Words of one address: all four of IPv6, or the first alone of IPv4.
constexpr size_t kAddressWords = 4;
/// Words that say where a datagram came from or goes to: port, interface of a link-local peer, its address, ours (zeros:
/// whichever it is). In an IPv4 socket only port and the first word of each address are looked at.
constexpr size_t kPlaceWords = 2 + 2 * kAddressWords;
/// Words (32 bits) that say of a datagram received: offset, octets, place.
constexpr size_t kReceivedWords = 2 + kPlaceWords;
/// Before each datagram to be sent: octets, place. Its octets begin with a new word.
constexpr size_t kSentWords = 1 + kPlaceWords;

/// Outgoing memory begins with: words in use (these included), datagrams that the network refused, two that are spare.
constexpr size_t kUsed = 0;
constexpr size_t kRefused = 1;
constexpr size_t kPreludeWords = 4;

}  // namespace udp
