// What all sessions of one endpoint have in common: suites, credentials, trust, cookies and the keys of its tickets.
#pragma once

#include <openssl/ssl.h>

#include "cookies.h"
#include "limits.h"
#include "openssl-pointers.h"

namespace dtls {

class Session;

/// What a context asks whoever owns it, from inside a handshake.
class Owner {
 public:
  virtual ~Owner() = default;
  /// Writes the key of an identity and returns its length; 0 when nobody has this identity. Never throws.
  virtual size_t keyOf(const char* identity, uint8_t* key, size_t room) = 0;
  /// Whether a session may be taken up again that was proved before: by `identity`, or else by `certificate`.
  virtual bool mayResume(const Bytes& identity, X509* certificate) = 0;
};

struct ContextOptions {
  bool server = true;
  bool asks_keys = false;        // server: Owner::keyOf
  bool resumes = false;          // server: tickets, and Owner::mayResume
  int verify = SSL_VERIFY_NONE;  // SSL_VERIFY_*
  unsigned mtu = kDefaultMtu;    // UDP payload in octets
  unsigned retransmit_ms = 1000;
  long ticket_seconds = 3600;
  long max_handshake_message = kMaxHandshakeMessage;
  Bytes suites, groups, certificate, authorities, revoked;
  Bytes identity;                // client
  Secret key, private_key;       // client; both
};

class Context {
 public:
  /// Null with the reason in `why`.
  static std::shared_ptr<Context> create(const ContextOptions& options, std::unique_ptr<Owner> owner, std::string* why);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  SSL_CTX* ssl() const { return context_.get(); }
  Owner& owner() const { return *owner_; }
  bool isServer() const { return server_; }
  unsigned mtu() const { return mtu_; }
  unsigned retransmitMs() const { return retransmit_ms_; }
  const Bytes& identity() const { return identity_; }
  const Bytes& key() const { return key_.bytes; }
  Cookies& cookies() { return cookies_; }

  bool setCertificate(const Bytes& chain, const Bytes& key, std::string* why);
  bool setAuthorities(const Bytes& authorities, const Bytes& revoked, std::string* why);
  /// No ticket given out before is taken from now on.
  bool rotateTicketKeys();

  /// Server: an SSL that waits for a cookie stays here until it gets one, and is then a session. It holds this context, so
  /// whoever drops the context drops it first.
  std::unique_ptr<Session> listening;

 private:
  Context(SslCtxPtr context, const ContextOptions& options, std::unique_ptr<Owner> owner);
  bool configure(const ContextOptions& options, std::string* why);
  void configureServer(const ContextOptions& options);

  SslCtxPtr context_;
  std::unique_ptr<Owner> owner_;
  const bool server_;
  const unsigned mtu_;
  const unsigned retransmit_ms_;
  const Bytes identity_;
  Secret key_;
  Cookies cookies_;
};

}  // namespace dtls
