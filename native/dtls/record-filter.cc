#include "record-filter.h"

#include <openssl/ssl3.h>

#include "suites.h"

namespace dtls {

namespace {

/// RFC 6347 4.1: type, version, epoch, sequence number (6), length.
constexpr size_t kHeader = 13;

struct Record {
  uint8_t type;
  uint8_t version_major;
  unsigned epoch;
  size_t length;
};

Record readHeader(const uint8_t* at) {
  return {at[0], at[1], static_cast<unsigned>(at[3]) << 8 | at[4], static_cast<size_t>(at[11]) << 8 | at[12]};
}

bool isPlausible(const Record& record, bool open, const SealedForm* sealed) {
  if (record.type < SSL3_RT_CHANGE_CIPHER_SPEC || record.type > SSL3_RT_APPLICATION_DATA) return false;
  if (record.version_major != 0xfe || record.length == 0) return false;
  // Unprotected records belong to a handshake: once it is done, a peer that repeats its last flight repeats a protected
  // record too, and that one suffices.
  if (record.epoch == 0) return !open && record.type != SSL3_RT_APPLICATION_DATA;
  // There is no renegotiation, so no second epoch. Before a suite is chosen nothing can be read: the peer will repeat it.
  return record.epoch == 1 && sealed != nullptr && record.length >= sealed->least && record.length % sealed->block == 0;
}

}  // namespace

Bytes plausibleRecords(const SSL* ssl, bool open, const uint8_t* datagram, size_t size) {
  const SSL_CIPHER* suite = SSL_get_current_cipher(ssl);
  if (suite == nullptr) suite = SSL_get_pending_cipher(ssl);
  const SealedForm form = suite != nullptr ? sealedForm(suite) : SealedForm{0, 1};
  Bytes kept;
  for (size_t at = 0; at + kHeader <= size;) {
    const Record record = readHeader(datagram + at);
    const size_t whole = kHeader + record.length;
    if (whole > size - at) break;
    if (isPlausible(record, open, suite != nullptr ? &form : nullptr)) {
      kept.append(reinterpret_cast<const char*>(datagram + at), whole);
    }
    at += whole;
  }
  return kept;
}

}  // namespace dtls
