// Our own certificate, and whose certificates of peers are believed.
#pragma once

#include "openssl-pointers.h"

namespace dtls {

/// A chain in PEM, our own certificate first, and its private key. False with the reason in `why`; then nothing has changed
/// for the sessions there are.
bool useCertificate(SSL_CTX* context, const Bytes& chain, const Bytes& key, std::string* why);

/// Authorities in PEM and, when not empty, their revocation lists: every certificate right below an authority is then looked up.
/// A server names the authorities to its clients.
bool useAuthorities(SSL_CTX* context, const Bytes& authorities, const Bytes& revoked, bool server, std::string* why);

}  // namespace dtls
