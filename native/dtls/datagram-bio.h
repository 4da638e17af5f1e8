// A BIO of datagrams. BIO_s_mem is a stream of bytes, in which two queued datagrams would be read as one; this one hands
// out one datagram per read and makes one of every write.
#pragma once

#include <vector>

#include "limits.h"
#include "openssl-pointers.h"

namespace dtls {

class DatagramBio {
 public:
  explicit DatagramBio(unsigned mtu) : mtu_(mtu) {}
  DatagramBio(const DatagramBio&) = delete;
  DatagramBio& operator=(const DatagramBio&) = delete;

  /// Reads from and writes to this object, which must outlive it. Null when there is no memory.
  BIO* create();

  /// The next datagram that OpenSSL reads.
  void offer(Bytes datagram) {
    in_ = std::move(datagram);
    has_in_ = !in_.empty();
  }
  /// Forgets what was not read, memory included: an idle session holds none.
  void withdraw() {
    has_in_ = false;
    Bytes().swap(in_);
  }
  /// What was written since the last call, each a datagram.
  std::vector<Bytes> take() {
    std::vector<Bytes> taken;
    taken.swap(out_);
    return taken;
  }
  bool hasWritten() const { return !out_.empty(); }

 private:
  static BIO_METHOD* method();
  static int write(BIO* bio, const char* data, int size);
  static int read(BIO* bio, char* into, int size);
  static long control(BIO* bio, int command, long number, void* pointer);
  static int initialise(BIO* bio);

  Bytes in_;
  bool has_in_ = false;
  std::vector<Bytes> out_;
  unsigned mtu_;
};

}  // namespace dtls
