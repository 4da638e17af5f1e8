#include "datagram-bio.h"

#include <algorithm>
#include <cstring>

namespace dtls {

namespace {
DatagramBio* selfOf(BIO* bio) { return static_cast<DatagramBio*>(BIO_get_data(bio)); }
}  // namespace

BIO* DatagramBio::create() {
  BIO_METHOD* kind = method();
  BIO* bio = kind != nullptr ? BIO_new(kind) : nullptr;
  if (bio != nullptr) BIO_set_data(bio, this);
  return bio;
}

BIO_METHOD* DatagramBio::method() {
  static BIO_METHOD* const made = [] {
    BIO_METHOD* kind = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "latchkey datagrams");
    if (kind != nullptr) {
      BIO_meth_set_write(kind, write);
      BIO_meth_set_read(kind, read);
      BIO_meth_set_ctrl(kind, control);
      BIO_meth_set_create(kind, initialise);
    }
    return kind;
  }();
  return made;
}

int DatagramBio::initialise(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

int DatagramBio::write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  DatagramBio* self = selfOf(bio);
  if (self == nullptr || size <= 0) return -1;
  self->out_.emplace_back(data, static_cast<size_t>(size));
  return size;
}

int DatagramBio::read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  DatagramBio* self = selfOf(bio);
  if (self == nullptr || !self->has_in_ || size <= 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  // As recv(2): what does not fit is lost.
  const int read = static_cast<int>(std::min(self->in_.size(), static_cast<size_t>(size)));
  memcpy(into, self->in_.data(), static_cast<size_t>(read));
  self->has_in_ = false;
  return read;
}

long DatagramBio::control(BIO* bio, int command, long number, void*) {
  DatagramBio* self = selfOf(bio);
  switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP:
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
    case BIO_CTRL_DGRAM_SET_CONNECTED:
      return 1;
    case BIO_CTRL_PENDING:
      return self != nullptr && self->has_in_ ? static_cast<long>(self->in_.size()) : 0;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
      return self != nullptr ? static_cast<long>(self->mtu_) : static_cast<long>(kDefaultMtu);
    case BIO_CTRL_DGRAM_SET_MTU:
      if (self != nullptr && number >= static_cast<long>(kMinMtu) && number <= static_cast<long>(kMaxMtu)) {
        self->mtu_ = static_cast<unsigned>(number);
      }
      return number;
    default:
      // Among them the overhead of lower layers (our MTU is the UDP payload already) and the peer, which TypeScript knows.
      return 0;
  }
}

}  // namespace dtls
