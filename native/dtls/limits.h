// Every bound of the addon, by name.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dtls {

/// A UDP payload can not be longer; what is longer never came from a socket.
constexpr size_t kMaxDatagram = 65535;
/// UDP payload in octets: IPv6's minimum link MTU (RFC 8200 5) less the IPv6 and UDP headers.
constexpr unsigned kDefaultMtu = 1280 - 48;
/// OpenSSL takes no less than 208; below 256 a handshake needs more fragments than it is worth.
constexpr unsigned kMinMtu = 256;
constexpr unsigned kMaxMtu = 16384;
/// Octets of one handshake message, reassembled: what a peer can make us keep before it has proved anything.
constexpr long kMaxHandshakeMessage = 16384;
/// Length of a cookie: HMAC-SHA256.
constexpr size_t kCookieBytes = 32;
/// Certificates of a chain above the peer's own.
constexpr int kVerifyDepth = 4;
/// Certificates of a chain that are told as evidence, the peer's own included.
constexpr int kMaxChain = kVerifyDepth + 1;
/// Microseconds: a retransmission timer doubles (RFC 6347 4.2.4.1) no further than this.
constexpr unsigned kMaxRetransmitUs = 60u * 1000 * 1000;
/// What the garbage collector is told that a session holds outside its heap.
constexpr int64_t kSessionBytes = 16 * 1024;

}  // namespace dtls
