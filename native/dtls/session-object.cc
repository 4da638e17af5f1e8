#include "session-object.h"

namespace dtls {

namespace {

/// A session that ends itself from inside a callback of OpenSSL lives until OpenSSL is done.
struct Held {
  std::unique_ptr<Session> session;
  bool doomed = false;
  /// Its object frees it from now on.
  bool wrapped = false;
};

void drop(napi_env env, void* data, void*) {
  int64_t now = 0;
  napi_adjust_external_memory(env, -kSessionBytes, &now);
  delete static_cast<Held*>(data);
}

/// The session of a method call; null (with an exception) when it is gone or at work further up the stack.
Held* heldBy(napi_env env, napi_callback_info info, Call* call) {
  void* data = nullptr;
  if (!call->read(env, info)) return nullptr;
  if (napi_unwrap(env, call->self, &data) != napi_ok || data == nullptr) {
    throwError(env, "ERR_DTLS_DESTROYED", "this DTLS session is destroyed");
    return nullptr;
  }
  Held* held = static_cast<Held*>(data);
  if (held->session->isBusy()) {
    throwError(env, "ERR_DTLS_REENTRANT", "this DTLS session is at work: it called whoever calls it now");
    return nullptr;
  }
  return held;
}

napi_value told(napi_env env, const Call& call, Held* held, uint32_t step) {
  const napi_value number = toNumber(env, step);
  void* data = nullptr;
  if (held->doomed && napi_remove_wrap(env, call.self, &data) == napi_ok) drop(env, data, nullptr);
  return number;
}

napi_value proceed(napi_env env, napi_callback_info info) {
  Call call;
  Held* held = heldBy(env, info, &call);
  return held == nullptr ? nullptr : told(env, call, held, held->session->proceed());
}

napi_value receive(napi_env env, napi_callback_info info) {
  Call call;
  Held* held = heldBy(env, info, &call);
  if (held == nullptr) return nullptr;
  const uint8_t* datagram = nullptr;
  size_t size = 0;
  if (!viewBuffer(env, call.arguments[0], &datagram, &size)) {
    throwError(env, "ERR_INVALID_ARG_TYPE", "receive(datagram: Buffer)");
    return nullptr;
  }
  return told(env, call, held, held->session->receive(datagram, size));
}

napi_value handleTimeout(napi_env env, napi_callback_info info) {
  Call call;
  Held* held = heldBy(env, info, &call);
  return held == nullptr ? nullptr : told(env, call, held, held->session->handleTimeout());
}

napi_value timeout(napi_env env, napi_callback_info info) {
  Call call;
  Held* held = heldBy(env, info, &call);
  return held == nullptr ? nullptr : toNumber(env, held->session->timeout());
}

napi_value datagrams(napi_env env, napi_callback_info info) {
  Call call;
  Held* held = heldBy(env, info, &call);
  return held == nullptr ? nullptr : toBuffers(env, held->session->takeDatagrams());
}

napi_value plaintexts(napi_env env, napi_callback_info info) {
  Call call;
  Held* held = heldBy(env, info, &call);
  return held == nullptr ? nullptr : toBuffers(env, held->session->takePlaintexts());
}

/// One record, one datagram.
napi_value write(napi_env env, napi_callback_info info) {
  Call call;
  Held* held = heldBy(env, info, &call);
  if (held == nullptr) return nullptr;
  const uint8_t* payload = nullptr;
  size_t size = 0;
  if (!viewBuffer(env, call.arguments[0], &payload, &size)) {
    throwError(env, "ERR_INVALID_ARG_TYPE", "write(payload: Buffer)");
    return nullptr;
  }
  std::string why;
  if (!held->session->write(payload, size, &why)) {
    throwError(env, "ERR_DTLS_WRITE", why);
    return nullptr;
  }
  const std::vector<Bytes> written = held->session->takeDatagrams();
  return written.empty() ? undefined(env) : toBuffer(env, written.front());
}

napi_value shutdown(napi_env env, napi_callback_info info) {
  Call call;
  Held* held = heldBy(env, info, &call);
  if (held == nullptr) return nullptr;
  held->session->shutdown();
  return toBuffers(env, held->session->takeDatagrams());
}

napi_value destroy(napi_env env, napi_callback_info info) {
  Call call;
  void* data = nullptr;
  if (!call.read(env, info) || napi_unwrap(env, call.self, &data) != napi_ok || data == nullptr) return undefined(env);
  Held* held = static_cast<Held*>(data);
  if (held->session->isBusy()) held->doomed = true;
  else if (napi_remove_wrap(env, call.self, &data) == napi_ok) drop(env, data, nullptr);
  return undefined(env);
}

napi_value chainOf(napi_env env, SSL* ssl) {
  napi_value chain = nullptr;
  napi_create_array(env, &chain);
  X509Ptr own(SSL_get1_peer_certificate(ssl));
  if (!own) return chain;
  uint32_t count = 0;
  napi_set_element(env, chain, count++, toDer(env, own.get()));
  STACK_OF(X509)* sent = SSL_get_peer_cert_chain(ssl);
  for (int at = 0; sent != nullptr && at < sk_X509_num(sent) && count < static_cast<uint32_t>(kMaxChain); at += 1) {
    X509* certificate = sk_X509_value(sent, at);
    if (X509_cmp(certificate, own.get()) != 0) napi_set_element(env, chain, count++, toDer(env, certificate));
  }
  return chain;
}

/// What the peer has shown, or claimed so far; the suite is undefined before one is chosen.
napi_value evidence(napi_env env, napi_callback_info info) {
  Call call;
  Held* held = heldBy(env, info, &call);
  if (held == nullptr) return nullptr;
  Session& session = *held->session;
  napi_value told = nullptr;
  napi_create_object(env, &told);
  const SSL_CIPHER* suite = SSL_get_current_cipher(session.ssl());
  if (suite != nullptr) napi_set_named_property(env, told, "suite", toText(env, SSL_CIPHER_get_name(suite)));
  if (!session.claimed().empty()) napi_set_named_property(env, told, "identity", toBuffer(env, session.claimed()));
  napi_set_named_property(env, told, "unknown", toBoolean(env, session.isUnknown()));
  napi_set_named_property(env, told, "resumed", toBoolean(env, SSL_session_reused(session.ssl()) == 1));
  napi_set_named_property(env, told, "chain", chainOf(env, session.ssl()));
  napi_set_named_property(env, told, "maximumPayload", toNumber(env, static_cast<double>(session.maximumPayload())));
  return told;
}

napi_value error(napi_env env, napi_callback_info info) {
  Call call;
  Held* held = heldBy(env, info, &call);
  return held == nullptr ? nullptr : toText(env, held->session->error().c_str());
}

/// A client's session, to be taken up again later; it holds secrets.
napi_value savedSession(napi_env env, napi_callback_info info) {
  Call call;
  Held* held = heldBy(env, info, &call);
  if (held == nullptr) return nullptr;
  SslSessionPtr session(SSL_get1_session(held->session->ssl()));
  const int size = session ? i2d_SSL_SESSION(session.get(), nullptr) : 0;
  if (size <= 0 || SSL_SESSION_is_resumable(session.get()) != 1) return undefined(env);
  Secret der;
  der.bytes.resize(static_cast<size_t>(size));
  unsigned char* to = reinterpret_cast<unsigned char*>(&der.bytes[0]);
  i2d_SSL_SESSION(session.get(), &to);
  return toBuffer(env, der.bytes);
}

/// Only this addon can make one: from an external that holds it.
napi_value construct(napi_env env, napi_callback_info info) {
  Call call;
  void* data = nullptr;
  if (!call.read(env, info)) return nullptr;
  if (!isOfType(env, call.arguments[0], napi_external) ||
      napi_get_value_external(env, call.arguments[0], &data) != napi_ok || data == nullptr) {
    throwError(env, "ERR_ILLEGAL_CONSTRUCTOR", "a DTLS session is made by listen() or connect()");
    return nullptr;
  }
  if (napi_wrap(env, call.self, data, drop, nullptr, nullptr) != napi_ok) return nullptr;
  static_cast<Held*>(data)->wrapped = true;
  int64_t now = 0;
  napi_adjust_external_memory(env, kSessionBytes, &now);
  return call.self;
}

}  // namespace

napi_value defineSessionClass(napi_env env) {
  const auto method = [](const char* name, napi_callback run) {
    return napi_property_descriptor{name, nullptr, run, nullptr, nullptr, nullptr, napi_default_method, nullptr};
  };
  const napi_property_descriptor methods[] = {
      method("proceed", proceed),       method("receive", receive),       method("timeout", timeout),
      method("datagrams", datagrams),   method("plaintexts", plaintexts), method("handleTimeout", handleTimeout),
      method("write", write),           method("shutdown", shutdown),     method("destroy", destroy),
      method("evidence", evidence),     method("error", error),           method("savedSession", savedSession),
  };
  napi_value made = nullptr;
  napi_define_class(env, "Session", NAPI_AUTO_LENGTH, construct, nullptr, sizeof methods / sizeof *methods, methods, &made);
  return made;
}

napi_value wrapSession(napi_env env, napi_value session_class, std::unique_ptr<Session> session) {
  auto held = std::make_unique<Held>();
  held->session = std::move(session);
  napi_value external = nullptr;
  napi_value made = nullptr;
  if (napi_create_external(env, held.get(), nullptr, nullptr, &external) != napi_ok ||
      napi_new_instance(env, session_class, 1, &external, &made) != napi_ok) {
    if (held->wrapped) held.release();
    throwError(env, "ERR_DTLS", "there is no memory for a DTLS session");
    return nullptr;
  }
  held.release();
  return made;
}

}  // namespace dtls
