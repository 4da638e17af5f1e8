// OpenSSL (3.0 to 3.5) takes a protected record that is too short for nonce and tag for a fault of its own, sends a fatal alert
// and ends the session: one spoofed datagram of 14 octets would do. RFC 6347 4.1.2.7 wants invalid records dropped without a
// word, so only records that can be valid get as far as OpenSSL.
#pragma once

#include "openssl-pointers.h"

namespace dtls {

/// The records of a datagram that `ssl` may see, in their order; the others leave no trace. `open`: its handshake is done.
Bytes plausibleRecords(const SSL* ssl, bool open, const uint8_t* datagram, size_t size);

}  // namespace dtls
