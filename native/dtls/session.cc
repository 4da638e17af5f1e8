#include "session.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>

#ifdef _WIN32
#include <winsock2.h>
#else
#include <sys/time.h>
#endif

#include "openssl-errors.h"
#include "record-filter.h"

namespace dtls {

namespace {

int sessionIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

/// RFC 6347 4.2.4.1: doubles with each retransmission.
unsigned nextTimeout(SSL* ssl, unsigned previous_us) {
  const Session* session = Session::of(ssl);
  if (previous_us == 0) return session != nullptr ? session->context().retransmitMs() * 1000 : 1000000;
  return std::min(previous_us * 2, kMaxRetransmitUs);
}

using OctetsPtr = std::unique_ptr<ASN1_OCTET_STRING, FreedBy<ASN1_OCTET_STRING_free>>;
using AddressPtr = std::unique_ptr<BIO_ADDR, FreedBy<BIO_ADDR_free>>;

}  // namespace

Session* Session::of(const SSL* ssl) { return static_cast<Session*>(SSL_get_ex_data(ssl, sessionIndex())); }

Session::Session(std::shared_ptr<Context> context) : context_(std::move(context)), io_(context_->mtu()) {}

Session::~Session() = default;

std::unique_ptr<Session> Session::create(std::shared_ptr<Context> context) {
  std::unique_ptr<Session> made(new Session(std::move(context)));
  made->ssl_.reset(SSL_new(made->context_->ssl()));
  BIO* bio = made->ssl_ ? made->io_.create() : nullptr;
  if (bio == nullptr) return nullptr;
  SSL* ssl = made->ssl_.get();
  SSL_set_bio(ssl, bio, bio);
  SSL_set_ex_data(ssl, sessionIndex(), made.get());
  SSL_set_mtu(ssl, made->context_->mtu());
  DTLS_set_timer_cb(ssl, nextTimeout);
  return made;
}

std::unique_ptr<Session> Session::connect(std::shared_ptr<Context> context, const Bytes& name, const Bytes& saved) {
  ERR_clear_error();
  std::unique_ptr<Session> made = create(std::move(context));
  if (!made) return nullptr;
  SSL* ssl = made->ssl_.get();
  SSL_set_connect_state(ssl);
  if (!name.empty()) {
    if (OctetsPtr(a2i_IPADDRESS(name.c_str()))) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
    } else {
      SSL_set_tlsext_host_name(ssl, name.c_str());
      SSL_set1_host(ssl, name.c_str());
    }
  }
  if (!saved.empty()) {
    const unsigned char* from = reinterpret_cast<const unsigned char*>(saved.data());
    SslSessionPtr session(d2i_SSL_SESSION(nullptr, &from, static_cast<long>(saved.size())));
    if (session) SSL_set_session(ssl, session.get());
  }
  ERR_clear_error();
  return made;
}

std::unique_ptr<Session> Session::listen(const std::shared_ptr<Context>& context, Bytes hello, const Bytes& peer,
                                         Bytes* answer) {
  ERR_clear_error();
  if (!context->listening) context->listening = create(context);
  Session* waiting = context->listening.get();
  if (waiting == nullptr) return nullptr;
  waiting->peer_ = peer;
  waiting->io_.offer(std::move(hello));
  AddressPtr address(BIO_ADDR_new());
  waiting->busy_ = true;
  const int result = DTLSv1_listen(waiting->ssl_.get(), address.get());
  waiting->busy_ = false;
  waiting->io_.withdraw();
  ERR_clear_error();
  if (result > 0) return std::move(context->listening);
  std::vector<Bytes> written = waiting->io_.take();
  if (!written.empty()) *answer = std::move(written.front());
  if (result < 0) context->listening.reset();  // of no more use, says OpenSSL: the next hello finds a fresh one
  return nullptr;
}

uint32_t Session::proceed() {
  ERR_clear_error();
  return work();
}

uint32_t Session::receive(const uint8_t* datagram, size_t size) {
  if (ended_) return 0;
  Bytes records = plausibleRecords(ssl_.get(), opened_, datagram, std::min(size, kMaxDatagram));
  if (records.empty()) return 0;
  io_.offer(std::move(records));
  ERR_clear_error();
  return work();
}

double Session::timeout() const {
  struct timeval left;
  if (ended_ || DTLSv1_get_timeout(ssl_.get(), &left) != 1) return -1;
  return static_cast<double>(left.tv_sec) * 1000 + static_cast<double>((left.tv_usec + 999) / 1000);
}

uint32_t Session::handleTimeout() {
  if (ended_) return 0;
  ERR_clear_error();
  busy_ = true;
  if (opened_) SSL_alloc_buffers(ssl_.get());
  const long result = DTLSv1_handle_timeout(ssl_.get());
  busy_ = false;
  if (result >= 0) return work();
  ended_ = true;
  error_ = takeOpenSslErrors();
  return kFailed | (io_.hasWritten() ? kDatagrams : 0);
}

uint32_t Session::work() {
  if (ended_) return 0;
  busy_ = true;
  if (opened_) SSL_alloc_buffers(ssl_.get());
  uint32_t step = read();
  io_.withdraw();
  release();
  busy_ = false;
  if (io_.hasWritten()) step |= kDatagrams;
  if (!plaintexts_.empty()) step |= kPlaintext;
  return step;
}

uint32_t Session::read() {
  static thread_local char plaintext[SSL3_RT_MAX_PLAIN_LENGTH];
  SSL* ssl = ssl_.get();
  uint32_t step = 0;
  int result = 1;
  if (!opened_) {
    result = SSL_do_handshake(ssl);
    if (result == 1) {
      opened_ = true;
      maximum_payload_ = DTLS_get_data_mtu(ssl);
      step |= kOpened;
    }
  }
  if (opened_) {
    while ((result = SSL_read(ssl, plaintext, sizeof plaintext)) > 0) {
      plaintexts_.emplace_back(plaintext, static_cast<size_t>(result));
    }
  }
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_NONE:
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      break;
    case SSL_ERROR_ZERO_RETURN:
      step |= kClosedByPeer;
      break;
    default:
      ended_ = true;
      step |= kFailed;
      error_ = takeOpenSslErrors();
      if (verdict_ != X509_V_OK) error_ += std::string(": ") + X509_verify_cert_error_string(verdict_);
  }
  ERR_clear_error();
  return step;
}

/// Record buffers are some 17 KB in each direction; a session that waits needs none.
void Session::release() {
  if (opened_ && SSL_pending(ssl_.get()) == 0) SSL_free_buffers(ssl_.get());
}

bool Session::write(const void* data, size_t size, std::string* why) {
  if (!isOpen()) {
    *why = "the DTLS session is not open";
    return false;
  }
  if (size == 0 || size > maximum_payload_) {
    *why = "a DTLS record takes 1 to " + std::to_string(maximum_payload_) + " octets here, not " + std::to_string(size);
    return false;
  }
  ERR_clear_error();
  SSL_alloc_buffers(ssl_.get());
  const int result = SSL_write(ssl_.get(), data, static_cast<int>(size));
  release();
  if (result <= 0) *why = takeOpenSslErrors();
  return result > 0;
}

void Session::shutdown() {
  if (isOpen()) {
    ERR_clear_error();
    SSL_alloc_buffers(ssl_.get());
    SSL_shutdown(ssl_.get());
    release();
    ERR_clear_error();
  }
  ended_ = true;
}

std::vector<Bytes> Session::takePlaintexts() {
  std::vector<Bytes> taken;
  taken.swap(plaintexts_);
  return taken;
}

void Session::noteVerdict(int verdict) {
  if (verdict_ == X509_V_OK) verdict_ = verdict;
}

}  // namespace dtls
