#include "cookies.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstdlib>
#include <cstring>

namespace dtls {

Cookies::Cookies() {
  // Without randomness there is no security to offer, and no caller who could do better.
  if (RAND_bytes(&secrets_[0][0], sizeof secrets_) != 1) abort();
}

Cookies::~Cookies() { OPENSSL_cleanse(secrets_, sizeof secrets_); }

bool Cookies::mac(const SecretBytes& secret, const Bytes& peer, uint8_t out[kCookieBytes]) {
  unsigned size = 0;
  return HMAC(EVP_sha256(), secret, sizeof secret, reinterpret_cast<const uint8_t*>(peer.data()), peer.size(), out,
              &size) != nullptr &&
         size == kCookieBytes;
}

bool Cookies::check(const Bytes& peer, const uint8_t* cookie, size_t size) const {
  if (size != kCookieBytes) return false;
  bool right = false;
  for (const SecretBytes& secret : secrets_) {
    uint8_t wanted[kCookieBytes];
    right |= mac(secret, peer, wanted) && CRYPTO_memcmp(wanted, cookie, kCookieBytes) == 0;
  }
  return right;
}

bool Cookies::rotate() {
  SecretBytes next;
  if (RAND_bytes(next, sizeof next) != 1) return false;
  memcpy(secrets_[1], secrets_[0], sizeof next);
  memcpy(secrets_[0], next, sizeof next);
  OPENSSL_cleanse(next, sizeof next);
  return true;
}

}  // namespace dtls
