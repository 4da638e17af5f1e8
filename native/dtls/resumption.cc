#include "resumption.h"

#include "context.h"
#include "session.h"

namespace dtls {

namespace {

constexpr unsigned char kSessionIdContext[] = {'l', 'a', 't', 'c', 'h', 'k', 'e', 'y'};

/// Into the ticket goes what OpenSSL does not give back from it: by which identity the session was proved.
int noteIdentity(SSL* ssl, void*) {
  const Session* session = Session::of(ssl);
  SSL_SESSION* ticket = SSL_get_session(ssl);
  if (session == nullptr || ticket == nullptr) return 0;
  return SSL_SESSION_set1_ticket_appdata(ticket, session->claimed().data(), session->claimed().size());
}

Bytes identityOf(SSL_SESSION* ticket) {
  void* data = nullptr;
  size_t size = 0;
  if (SSL_SESSION_get0_ticket_appdata(ticket, &data, &size) != 1 || data == nullptr) return {};
  return Bytes(static_cast<const char*>(data), size);
}

SSL_TICKET_RETURN judgeTicket(SSL* ssl, SSL_SESSION* ticket, const unsigned char*, size_t, SSL_TICKET_STATUS status, void*) {
  // What is refused goes on as a full handshake, with everything to prove, and ends in a new ticket.
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
    return status == SSL_TICKET_FATAL_ERR_MALLOC || status == SSL_TICKET_FATAL_ERR_OTHER ? SSL_TICKET_RETURN_ABORT
                                                                                          : SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  Session* session = Session::of(ssl);
  if (session == nullptr || ticket == nullptr) return SSL_TICKET_RETURN_IGNORE_RENEW;
  const Bytes identity = identityOf(ticket);
  if (!session->context().owner().mayResume(identity, SSL_SESSION_get0_peer(ticket))) return SSL_TICKET_RETURN_IGNORE_RENEW;
  session->claim(identity);
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

}  // namespace

void resumeByTicket(SSL_CTX* context, long seconds) {
  SSL_CTX_set_session_id_context(context, kSessionIdContext, sizeof kSessionIdContext);
  SSL_CTX_set_timeout(context, seconds);
  SSL_CTX_set_session_ticket_cb(context, noteIdentity, judgeTicket, nullptr);
}

}  // namespace dtls
