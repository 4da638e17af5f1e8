#include "addresses.h"

#include <cstring>

namespace udp {

namespace {

constexpr size_t kPort = 0;
constexpr size_t kScope = 1;
constexpr size_t kPeer = 2;
constexpr size_t kOwn = kPeer + kAddressWords;

void fromNetwork(const in6_addr& address, uint32_t* words) {
  std::memcpy(words, &address, sizeof address);
  for (size_t at = 0; at < kAddressWords; at += 1) words[at] = ntohl(words[at]);
}

in6_addr toNetwork(const uint32_t* words) {
  uint32_t turned[kAddressWords];
  in6_addr address;
  for (size_t at = 0; at < kAddressWords; at += 1) turned[at] = htonl(words[at]);
  std::memcpy(&address, turned, sizeof address);
  return address;
}

void ownAddress(const msghdr& message, uint32_t* words) {
  msghdr* whole = const_cast<msghdr*>(&message);
  for (cmsghdr* at = CMSG_FIRSTHDR(whole); at != nullptr; at = CMSG_NXTHDR(whole, at)) {
    if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(at), sizeof info);
      words[0] = ntohl(info.ipi_spec_dst.s_addr);
    } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(at), sizeof info);
      fromNetwork(info.ipi6_addr, words);
    }
  }
}

template <typename Info>
void attach(int level, int type, const Info& info, void* control, msghdr* message) {
  message->msg_control = control;
  message->msg_controllen = CMSG_SPACE(sizeof info);
  cmsghdr* header = CMSG_FIRSTHDR(message);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof info);
  std::memcpy(CMSG_DATA(header), &info, sizeof info);
}

}  // namespace

uint32_t portOf(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
}

void toPlace(const msghdr& message, uint32_t* place) {
  const auto& from = *static_cast<const sockaddr_storage*>(message.msg_name);
  std::memset(place, 0, kPlaceWords * sizeof *place);
  place[kPort] = portOf(from);
  if (from.ss_family == AF_INET) {
    place[kPeer] = ntohl(reinterpret_cast<const sockaddr_in&>(from).sin_addr.s_addr);
  } else {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from);
    place[kScope] = v6.sin6_scope_id;
    fromNetwork(v6.sin6_addr, place + kPeer);
  }
  ownAddress(message, place + kOwn);
}

void toMessage(int family, const uint32_t* place, sockaddr_storage* peer, void* control, msghdr* message) {
  const uint32_t* own = place + kOwn;
  message->msg_name = peer;
  if (family == AF_INET) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(peer);
    *v4 = {};
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(place[kPort]));
    v4->sin_addr.s_addr = htonl(place[kPeer]);
    message->msg_namelen = sizeof *v4;
    in_pktinfo info = {};
    info.ipi_spec_dst.s_addr = htonl(own[0]);
    if (own[0] != 0) attach(IPPROTO_IP, IP_PKTINFO, info, control, message);
    return;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(peer);
  *v6 = {};
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(static_cast<uint16_t>(place[kPort]));
  v6->sin6_scope_id = place[kScope];
  v6->sin6_addr = toNetwork(place + kPeer);
  message->msg_namelen = sizeof *v6;
  in6_pktinfo info = {};
  info.ipi6_addr = toNetwork(own);
  if ((own[0] | own[1] | own[2] | own[3]) != 0) attach(IPPROTO_IPV6, IPV6_PKTINFO, info, control, message);
}

}  // namespace udp
