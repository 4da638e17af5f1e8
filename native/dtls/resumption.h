// Resumption by ticket (RFC 5077): the server keeps nothing, and a resumed handshake skips certificate and key, so its owner is
// asked first whether what was proved then still stands.
#pragma once

#include <openssl/ssl.h>

namespace dtls {

void resumeByTicket(SSL_CTX* context, long seconds);

}  // namespace dtls
