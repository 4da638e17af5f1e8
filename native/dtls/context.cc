#include "context.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

#include "openssl-errors.h"
#include "resumption.h"
#include "session.h"
#include "suites.h"
#include "trust.h"

namespace dtls {

namespace {

int makeCookie(SSL* ssl, unsigned char* cookie, unsigned* size) {
  const Session* session = Session::of(ssl);
  if (session == nullptr || !session->context().cookies().make(session->peer(), cookie)) return 0;
  *size = kCookieBytes;
  return 1;
}

int checkCookie(SSL* ssl, const unsigned char* cookie, unsigned size) {
  const Session* session = Session::of(ssl);
  return session != nullptr && session->context().cookies().check(session->peer(), cookie, size) ? 1 : 0;
}

/// An unknown identity gets a key that nobody has: what the peer sees is what it sees with a wrong key.
unsigned keyForServer(SSL* ssl, const char* identity, unsigned char* key, unsigned room) {
  Session* session = Session::of(ssl);
  if (session == nullptr || identity == nullptr) return 0;
  session->claim(identity);
  const size_t size = session->context().owner().keyOf(identity, key, room);
  if (size > 0 && size <= room) return static_cast<unsigned>(size);
  session->claimIsUnknown();
  constexpr unsigned kDecoy = 32;
  return room >= kDecoy && RAND_bytes(key, kDecoy) == 1 ? kDecoy : 0;
}

unsigned keyForClient(SSL* ssl, const char*, char* identity, unsigned identity_room, unsigned char* key, unsigned room) {
  const Session* session = Session::of(ssl);
  if (session == nullptr) return 0;
  const Context& context = session->context();
  if (context.identity().size() > identity_room || context.key().size() > room) return 0;
  memcpy(identity, context.identity().c_str(), context.identity().size() + 1);
  memcpy(key, context.key().data(), context.key().size());
  return static_cast<unsigned>(context.key().size());
}

/// Keeps the first thing that was wrong with a chain, to tell the operator; the verdict stays OpenSSL's.
int noteVerdict(int ok, X509_STORE_CTX* store) {
  SSL* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  Session* session = ssl != nullptr ? Session::of(ssl) : nullptr;
  if (ok == 0 && session != nullptr) session->noteVerdict(X509_STORE_CTX_get_error(store));
  return ok;
}

}  // namespace

Context::Context(SslCtxPtr context, const ContextOptions& options, std::unique_ptr<Owner> owner)
    : context_(std::move(context)),
      owner_(std::move(owner)),
      server_(options.server),
      mtu_(options.mtu),
      retransmit_ms_(options.retransmit_ms),
      identity_(options.identity) {
  key_.bytes = options.key.bytes;
}

Context::~Context() = default;

std::shared_ptr<Context> Context::create(const ContextOptions& options, std::unique_ptr<Owner> owner, std::string* why) {
  ERR_clear_error();
  SslCtxPtr context(SSL_CTX_new(options.server ? DTLS_server_method() : DTLS_client_method()));
  if (!context) {
    *why = takeOpenSslErrors();
    return nullptr;
  }
  std::shared_ptr<Context> made(new Context(std::move(context), options, std::move(owner)));
  if (!made->configure(options, why)) return nullptr;
  return made;
}

bool Context::configure(const ContextOptions& options, std::string* why) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context, DTLS1_2_VERSION);
  SSL_CTX_set_security_level(context, 2);
  admitCcm8(context);
  // With encrypt-then-MAC a wrong MAC is fatal even in DTLS (3.0 to 3.5): one spoofed record would end a session.
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_NO_ENCRYPT_THEN_MAC | SSL_OP_NO_QUERY_MTU);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_max_cert_list(context, options.max_handshake_message);
  SSL_CTX_set_max_send_fragment(context, std::max(512u, options.mtu));  // write buffers are made as large as this
  SSL_CTX_set_verify(context, options.verify, noteVerdict);
  SSL_CTX_set_verify_depth(context, kVerifyDepth);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (SSL_CTX_set_cipher_list(context, options.suites.c_str()) != 1 ||
      SSL_CTX_set1_groups_list(context, options.groups.c_str()) != 1) {
    *why = takeOpenSslErrors();
    return false;
  }
  if (!options.certificate.empty() && !useCertificate(context, options.certificate, options.private_key.bytes, why)) {
    *why = "certificate: " + *why;
    return false;
  }
  if (!options.authorities.empty() && !useAuthorities(context, options.authorities, options.revoked, server_, why)) {
    *why = "authorities: " + *why;
    return false;
  }
  if (server_) configureServer(options);
  else if (!options.key.bytes.empty()) SSL_CTX_set_psk_client_callback(context, keyForClient);
  ERR_clear_error();
  return true;
}

void Context::configureServer(const ContextOptions& options) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_options(context, SSL_OP_COOKIE_EXCHANGE);
  SSL_CTX_set_cookie_generate_cb(context, makeCookie);
  SSL_CTX_set_cookie_verify_cb(context, checkCookie);
  if (options.asks_keys) SSL_CTX_set_psk_server_callback(context, keyForServer);
  if (options.resumes) resumeByTicket(context, options.ticket_seconds);
  else SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
}

bool Context::setCertificate(const Bytes& chain, const Bytes& key, std::string* why) {
  if (!useCertificate(context_.get(), chain, key, why)) return false;
  listening.reset();  // it has copied the old one
  return true;
}

bool Context::setAuthorities(const Bytes& authorities, const Bytes& revoked, std::string* why) {
  if (!useAuthorities(context_.get(), authorities, revoked, server_, why)) return false;
  listening.reset();
  return !server_ || rotateTicketKeys();
}

bool Context::rotateTicketKeys() {
  uint8_t keys[128];
  const long size = SSL_CTX_get_tlsext_ticket_keys(context_.get(), nullptr, 0);
  if (size <= 0 || size > static_cast<long>(sizeof keys)) return false;
  const bool done = RAND_bytes(keys, static_cast<int>(size)) == 1 &&
                    SSL_CTX_set_tlsext_ticket_keys(context_.get(), keys, size) == 1;
  OPENSSL_cleanse(keys, sizeof keys);
  return done;
}

}  // namespace dtls
