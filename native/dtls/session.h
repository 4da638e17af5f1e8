// One DTLS session from the cookie to its end. It knows neither socket nor timer: datagrams are put in and taken out.
#pragma once

#include <vector>

#include "context.h"
#include "datagram-bio.h"

namespace dtls {

/// What a step of a session brought about.
enum Step : uint32_t {
  kOpened = 1,
  kClosedByPeer = 2,
  kFailed = 4,
  kDatagrams = 8,
  kPlaintext = 16,
};

class Session {
 public:
  static Session* of(const SSL* ssl);

  /// Null when there is no memory.
  static std::unique_ptr<Session> create(std::shared_ptr<Context> context);
  /// A client that is to find `name` (DNS or IP address, not checked when empty) in the server's certificate; `saved` may be empty.
  static std::unique_ptr<Session> connect(std::shared_ptr<Context> context, const Bytes& name, const Bytes& saved);
  /// A server's answer to a ClientHello from `peer`: a session when its cookie is right, else at most a datagram in `answer`.
  static std::unique_ptr<Session> listen(const std::shared_ptr<Context>& context, Bytes hello, const Bytes& peer,
                                         Bytes* answer);

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  /// Goes on with what is inside: a client's first flight, a server's answer to the ClientHello that made it.
  uint32_t proceed();
  uint32_t receive(const uint8_t* datagram, size_t size);
  /// Milliseconds until `handleTimeout` is due; negative when no flight waits for an answer.
  double timeout() const;
  uint32_t handleTimeout();
  /// One record of plaintext, at most `maximumPayload` octets.
  bool write(const void* data, size_t size, std::string* why);
  /// Says goodbye (close_notify) and takes nothing more.
  void shutdown();

  std::vector<Bytes> takeDatagrams() { return io_.take(); }
  std::vector<Bytes> takePlaintexts();
  /// Of the last failure.
  const std::string& error() const { return error_; }

  Context& context() const { return *context_; }
  SSL* ssl() const { return ssl_.get(); }
  const Bytes& peer() const { return peer_; }
  bool isOpen() const { return opened_ && !ended_; }
  size_t maximumPayload() const { return maximum_payload_; }

  void claim(const Bytes& identity) { claimed_ = identity; }
  void claimIsUnknown() { unknown_ = true; }
  void noteVerdict(int verdict);
  const Bytes& claimed() const { return claimed_; }
  bool isUnknown() const { return unknown_; }

  /// OpenSSL is at work on this session and has called out: nothing of it may be touched.
  bool isBusy() const { return busy_; }

 private:
  explicit Session(std::shared_ptr<Context> context);
  uint32_t work();
  uint32_t read();
  void release();

  std::shared_ptr<Context> context_;
  DatagramBio io_;
  SslPtr ssl_;  // after io_: its BIO points there
  Bytes peer_, claimed_;
  std::vector<Bytes> plaintexts_;
  std::string error_;
  size_t maximum_payload_ = 0;
  int verdict_ = X509_V_OK;
  bool opened_ = false, ended_ = false, unknown_ = false, busy_ = false;
};

}  // namespace dtls
