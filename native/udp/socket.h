// A UDP socket that is read and written in batches: recvmmsg(2) and sendmmsg(2). Knows libuv and no JavaScript.
#pragma once

#include <uv.h>

#include <array>

#include "addresses.h"
#include "file-descriptor.h"

namespace udp {

struct Area {
  uint8_t* bytes = nullptr;
  size_t size = 0;
};

struct Terms {
  sockaddr_storage address = {};
  /// What the kernel is asked to hold for us.
  int receive_buffer = 0;
  /// Octets of a datagram that are received; what is longer arrives cut.
  size_t datagram = 0;
  /// kBatch datagrams, one behind the other.
  Area incoming;
  /// kBatch times kReceivedWords.
  uint32_t* heads = nullptr;
  /// The prelude and what waits to be sent.
  uint32_t* outgoing = nullptr;
  size_t outgoing_words = 0;
};

/// Whom it tells. Either may close the socket.
class Owner {
 public:
  virtual ~Owner() = default;
  /// So many datagrams lie in the incoming area.
  virtual void received(unsigned count) = 0;
  /// The event loop is done with the socket: it may be deleted.
  virtual void released() = 0;
};

class Socket {
 public:
  Socket(Owner& owner, const Terms& terms);
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// Binds and begins to read; an error of libuv (negative) when it can not, after which it needs no closing.
  int open(uv_loop_t* loop);
  /// 0 when it is not open.
  unsigned port() const;
  /// Sends what waits, as far as the network takes it. What it does not take now is sent when it does.
  void flush();
  /// Sends what the network takes at once, frees the port and forgets the rest. `released` follows if it was open.
  void close();
  bool isOpen() const { return fd_.isOpen(); }

 private:
  int bindTo(const sockaddr_storage& address);
  void read();
  unsigned pack(unsigned count);
  unsigned gather(uint32_t at, uint32_t end);
  bool block(bool blocked);
  int wanted() const { return blocked_ ? UV_READABLE | UV_WRITABLE : UV_READABLE; }
  uint32_t wordsAt(uint32_t at) const;

  static void onPoll(uv_poll_t* handle, int status, int events);
  static void onClosed(uv_handle_t* handle);

  Owner& owner_;
  Terms terms_;
  int family_;
  bool tells_own_address_ = false;
  bool blocked_ = false;
  FileDescriptor fd_;
  uv_poll_t poll_ = {};
  uv_prepare_t before_waiting_ = {};
  uv_check_t after_events_ = {};
  unsigned handles_ = 0;

  struct Slot {
    sockaddr_storage peer;
    iovec octets;
    alignas(cmsghdr) uint8_t control[kControlBytes];
  };
  std::array<mmsghdr, kBatch> messages_;
  std::array<Slot, kBatch> slots_;
};

}  // namespace udp
