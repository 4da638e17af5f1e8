#include "suites.h"

#include <openssl/objects.h>

#include <cstdint>

namespace dtls {

namespace {

using SecurityRule = int (*)(const SSL*, const SSL_CTX*, int, int, int, void*, void*);

bool isCcm8(const SSL_CIPHER* suite) {
  switch (SSL_CIPHER_get_protocol_id(suite)) {
    case 0xC0A8:  // TLS_PSK_WITH_AES_128_CCM_8
    case 0xC0AE:  // TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8
      return true;
    default:
      return false;
  }
}

SecurityRule openSslRule(SSL_CTX* context) {
  static const SecurityRule rule = SSL_CTX_get_security_callback(context);
  return rule;
}

int rule(const SSL* ssl, const SSL_CTX* context, int operation, int bits, int nid, void* other, void* extra) {
  const bool about_suite = operation == SSL_SECOP_CIPHER_SUPPORTED || operation == SSL_SECOP_CIPHER_SHARED ||
                           operation == SSL_SECOP_CIPHER_CHECK;
  if (about_suite && other != nullptr && isCcm8(static_cast<const SSL_CIPHER*>(other))) return 1;
  return openSslRule(nullptr)(ssl, context, operation, bits, nid, other, extra);
}

}  // namespace

void admitCcm8(SSL_CTX* context) {
  openSslRule(context);
  SSL_CTX_set_security_callback(context, rule);
}

SealedForm sealedForm(const SSL_CIPHER* suite) {
  constexpr size_t kTag = 16, kShortTag = 8, kExplicitNonce = 8, kBlock = 16;
  if (SSL_CIPHER_is_aead(suite)) {
    if (isCcm8(suite)) return {kExplicitNonce + kShortTag, 1};
    // RFC 7905 2: the nonce of ChaCha20-Poly1305 is not in the record.
    if (SSL_CIPHER_get_cipher_nid(suite) == NID_chacha20_poly1305) return {kTag, 1};
    return {kExplicitNonce + kTag, 1};
  }
  // RFC 5246 6.2.3.2: initialisation vector, then at least MAC and one octet of padding, in whole blocks.
  const size_t mac = SSL_CIPHER_get_digest_nid(suite) == NID_sha384 ? 48 : 32;
  return {kBlock + (mac / kBlock + 1) * kBlock, kBlock};
}

}  // namespace dtls
