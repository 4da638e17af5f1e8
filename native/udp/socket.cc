#include "socket.h"

#include <cerrno>
#include <cstring>

namespace udp {

namespace {

int failed() { return uv_translate_sys_error(errno); }

bool isWildcard(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) return reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr == INADDR_ANY;
  return IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

}  // namespace

Socket::Socket(Owner& owner, const Terms& terms)
    : owner_(owner), terms_(terms), family_(terms.address.ss_family), messages_(), slots_() {}

int Socket::bindTo(const sockaddr_storage& address) {
  const int on = 1;
  const int off = 0;
  FileDescriptor fd(::socket(family_, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.isOpen()) return failed();
  // Clamped by the kernel, and never worth failing for.
  setsockopt(fd.number(), SOL_SOCKET, SO_RCVBUF, &terms_.receive_buffer, sizeof terms_.receive_buffer);
  // As node:dgram has it: `::` serves IPv4 too.
  if (family_ == AF_INET6 && setsockopt(fd.number(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0) return failed();
  if (isWildcard(address)) {
    const int level = family_ == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    const int option = family_ == AF_INET ? IP_PKTINFO : IPV6_RECVPKTINFO;
    tells_own_address_ = setsockopt(fd.number(), level, option, &on, sizeof on) == 0;
  }
  // Without SO_REUSEADDR: two processes that share a port would each get some of the datagrams.
  const socklen_t size = family_ == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (::bind(fd.number(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return failed();
  fd_ = std::move(fd);
  return 0;
}

int Socket::open(uv_loop_t* loop) {
  int error = bindTo(terms_.address);
  if (error == 0) error = uv_poll_init(loop, &poll_, fd_.number());
  if (error != 0) {
    fd_.close();
    return error;
  }
  poll_.data = before_waiting_.data = after_events_.data = this;
  uv_prepare_init(loop, &before_waiting_);
  uv_check_init(loop, &after_events_);
  handles_ = 3;
  terms_.outgoing[kUsed] = kPreludeWords;
  uv_poll_start(&poll_, UV_READABLE, onPoll);
  // What one turn of the loop has to send leaves at its end: after its events, and before it waits for others.
  uv_prepare_start(&before_waiting_, [](uv_prepare_t* handle) { static_cast<Socket*>(handle->data)->flush(); });
  uv_check_start(&after_events_, [](uv_check_t* handle) { static_cast<Socket*>(handle->data)->flush(); });
  uv_unref(reinterpret_cast<uv_handle_t*>(&before_waiting_));
  uv_unref(reinterpret_cast<uv_handle_t*>(&after_events_));
  return 0;
}

unsigned Socket::port() const {
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  if (!isOpen() || getsockname(fd_.number(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return portOf(address);
}

void Socket::close() {
  if (!isOpen()) return;
  flush();
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), onClosed);
  uv_close(reinterpret_cast<uv_handle_t*>(&before_waiting_), onClosed);
  uv_close(reinterpret_cast<uv_handle_t*>(&after_events_), onClosed);
  fd_.close();
}

void Socket::onClosed(uv_handle_t* handle) {
  Socket* self = static_cast<Socket*>(handle->data);
  if (--self->handles_ == 0) self->owner_.released();
}

// --- in -------------------------------------------------------------------------------------------------------------------

void Socket::onPoll(uv_poll_t* handle, int status, int events) {
  Socket* self = static_cast<Socket*>(handle->data);
  if (status == 0 && (events & UV_WRITABLE) != 0 && self->block(false)) self->flush();
  if (status == 0 && (events & UV_READABLE) != 0) self->read();
  if (status == 0 || !self->isOpen()) return;
  // libuv stops at what it takes for a broken descriptor; an error that the network reported is read away.
  self->read();
  if (self->isOpen()) uv_poll_start(handle, self->wanted(), onPoll);
}

void Socket::read() {
  const size_t room = terms_.datagram;
  for (unsigned turn = 0; turn < kBatchesPerTurn && isOpen(); turn += 1) {
    for (unsigned at = 0; at < kBatch; at += 1) {
      Slot& slot = slots_[at];
      slot.octets = {terms_.incoming.bytes + at * room, room};
      msghdr& head = messages_[at].msg_hdr;
      head = {};
      head.msg_name = &slot.peer;
      head.msg_namelen = sizeof slot.peer;
      head.msg_iov = &slot.octets;
      head.msg_iovlen = 1;
      if (!tells_own_address_) continue;
      head.msg_control = slot.control;
      head.msg_controllen = sizeof slot.control;
    }
    const int count = recvmmsg(fd_.number(), messages_.data(), kBatch, MSG_DONTWAIT, nullptr);
    // EAGAIN, or the news that somebody we wrote to is not there (ICMP).
    if (count <= 0) return;
    owner_.received(pack(static_cast<unsigned>(count)));
    if (static_cast<unsigned>(count) < kBatch) return;
  }
}

/// Moves datagrams together and says in the heads where each begins, how long it is and who sent it to which address.
unsigned Socket::pack(unsigned count) {
  size_t end = 0;
  for (unsigned at = 0; at < count; at += 1) {
    const mmsghdr& message = messages_[at];
    const size_t size = message.msg_len < terms_.datagram ? message.msg_len : terms_.datagram;
    std::memmove(terms_.incoming.bytes + end, terms_.incoming.bytes + at * terms_.datagram, size);
    uint32_t* head = terms_.heads + at * kReceivedWords;
    head[0] = static_cast<uint32_t>(end);
    head[1] = static_cast<uint32_t>(size);
    toPlace(message.msg_hdr, head + 2);
    end += size;
  }
  return count;
}

// --- out ------------------------------------------------------------------------------------------------------------------

/// Words of the datagram that begins there; 0 for what can not be one.
uint32_t Socket::wordsAt(uint32_t at) const {
  const uint32_t end = terms_.outgoing[kUsed];
  if (end - at < kSentWords || terms_.outgoing[at] > kMaxDatagram) return 0;
  const uint32_t words = kSentWords + (terms_.outgoing[at] + 3) / 4;
  return end - at < words ? 0 : words;
}

/// Makes messages of up to a batch of datagrams.
unsigned Socket::gather(uint32_t at, uint32_t end) {
  unsigned count = 0;
  while (at < end && count < kBatch) {
    const uint32_t words = wordsAt(at);
    if (words == 0) break;
    uint32_t* head = terms_.outgoing + at;
    Slot& slot = slots_[count];
    slot.octets = {head + kSentWords, head[0]};
    messages_[count] = {};
    msghdr& message = messages_[count].msg_hdr;
    message.msg_iov = &slot.octets;
    message.msg_iovlen = 1;
    toMessage(family_, head + 1, &slot.peer, slot.control, &message);
    at += words;
    count += 1;
  }
  return count;
}

void Socket::flush() {
  uint32_t* outgoing = terms_.outgoing;
  if (!isOpen() || blocked_ || outgoing[kUsed] <= kPreludeWords) return;
  if (outgoing[kUsed] > terms_.outgoing_words) outgoing[kUsed] = kPreludeWords;
  const uint32_t end = outgoing[kUsed];
  uint32_t at = kPreludeWords;
  while (at < end) {
    const unsigned count = gather(at, end);
    if (count == 0) {
      at = end;
      break;
    }
    int sent = sendmmsg(fd_.number(), messages_.data(), count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        block(true);
        break;
      }
      // EMSGSIZE, EHOSTUNREACH, ...: no more than the loss of this one datagram.
      outgoing[kRefused] += 1;
      sent = 1;
    }
    for (int done = 0; done < sent; done += 1) at += wordsAt(at);
  }
  std::memmove(outgoing + kPreludeWords, outgoing + at, (end - at) * sizeof *outgoing);
  outgoing[kUsed] = kPreludeWords + (end - at);
}

/// Whether that was news.
bool Socket::block(bool blocked) {
  if (blocked_ == blocked) return false;
  blocked_ = blocked;
  uv_poll_start(&poll_, wanted(), onPoll);
  return true;
}

}  // namespace udp
