// Addresses as words, in the order of the network, and the control messages that carry our own (RFC 3542 6.2; ip(7) IP_PKTINFO).
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "limits.h"

namespace udp {

/// Room for one control message with an address.
constexpr size_t kControlBytes = CMSG_SPACE(sizeof(in6_pktinfo));

/// Writes kPlaceWords: the peer of a datagram received, and which of our addresses it came to, when the kernel says so.
void toPlace(const msghdr& message, uint32_t* place);
/// Addresses a message to a place, in memory of the caller: `control` holds kControlBytes.
void toMessage(int family, const uint32_t* place, sockaddr_storage* peer, void* control, msghdr* message);

/// Host order.
uint32_t portOf(const sockaddr_storage& address);

}  // namespace udp
