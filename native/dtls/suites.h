// What must be known of single cipher suites.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>

namespace dtls {

/// The shortest protected record that can be valid, in octets after its header, and what its length is a multiple of.
struct SealedForm {
  size_t least;
  size_t block;
};

SealedForm sealedForm(const SSL_CIPHER* suite);

/// From OpenSSL 3.2 on its security levels refuse suites with 8 octets of tag, one of which RFC 7252 9.1.3.1 makes mandatory.
/// Lets those of them pass that are configured; everything else stays with OpenSSL's own rules.
void admitCcm8(SSL_CTX* context);

}  // namespace dtls
