// Cookies of HelloVerifyRequest (RFC 6347 4.2.1): nothing is kept for a peer before it has shown that it receives what is sent to
// its address.
#pragma once

#include <cstdint>

#include "limits.h"
#include "openssl-pointers.h"

namespace dtls {

class Cookies {
 public:
  Cookies();
  ~Cookies();
  Cookies(const Cookies&) = delete;
  Cookies& operator=(const Cookies&) = delete;

  /// HMAC-SHA256 of the peer's address and port under the secret of now.
  bool make(const Bytes& peer, uint8_t cookie[kCookieBytes]) const { return mac(secrets_[0], peer, cookie); }
  /// Under the secret of now or the one before, so that a rotation fails no handshake under way.
  bool check(const Bytes& peer, const uint8_t* cookie, size_t size) const;
  /// A new secret; the one before the last is forgotten.
  bool rotate();

 private:
  using SecretBytes = uint8_t[32];
  static bool mac(const SecretBytes& secret, const Bytes& peer, uint8_t out[kCookieBytes]);
  SecretBytes secrets_[2];
};

}  // namespace dtls
