#include "context-object.h"

#include <cstring>

#include "context.h"
#include "session-object.h"

namespace dtls {

namespace {

/// Functions of JavaScript that live as long as the context.
class JavaScriptOwner final : public Owner {
 public:
  JavaScriptOwner(napi_env env, napi_value key_of, napi_value may_resume) : env_(env) {
    if (key_of != nullptr) napi_create_reference(env, key_of, 1, &key_of_);
    if (may_resume != nullptr) napi_create_reference(env, may_resume, 1, &may_resume_);
  }
  ~JavaScriptOwner() override {
    if (key_of_ != nullptr) napi_delete_reference(env_, key_of_);
    if (may_resume_ != nullptr) napi_delete_reference(env_, may_resume_);
  }

  size_t keyOf(const char* identity, uint8_t* key, size_t room) override {
    Scope scope(env_);
    napi_value arguments[] = {toBuffer(env_, identity)};
    const napi_value answer = ask(key_of_, arguments, 1);
    const uint8_t* data = nullptr;
    size_t size = 0;
    if (!viewBuffer(env_, answer, &data, &size) || size == 0 || size > room) return 0;
    memcpy(key, data, size);
    return size;
  }

  bool mayResume(const Bytes& identity, X509* certificate) override {
    Scope scope(env_);
    napi_value arguments[] = {identity.empty() ? undefined(env_) : toBuffer(env_, identity),
                              certificate != nullptr ? toDer(env_, certificate) : undefined(env_)};
    bool may = false;
    const napi_value answer = ask(may_resume_, arguments, 2);
    return isOfType(env_, answer, napi_boolean) && napi_get_value_bool(env_, answer, &may) == napi_ok && may;
  }

 private:
  struct Scope {
    explicit Scope(napi_env env) : env(env) { napi_open_handle_scope(env, &handle); }
    ~Scope() {
      if (handle != nullptr) napi_close_handle_scope(env, handle);
    }
    napi_env env;
    napi_handle_scope handle = nullptr;
  };

  /// Null for an exception, which must not travel through OpenSSL's frames: whoever is asked answers no by it.
  napi_value ask(napi_ref function, const napi_value* arguments, size_t count) {
    napi_value callee = nullptr;
    napi_value answer = nullptr;
    if (function == nullptr || napi_get_reference_value(env_, function, &callee) != napi_ok) return nullptr;
    const napi_status status = napi_call_function(env_, undefined(env_), callee, count, arguments, &answer);
    bool pending = false;
    napi_is_exception_pending(env_, &pending);
    if (pending) {
      napi_value exception = nullptr;
      napi_get_and_clear_last_exception(env_, &exception);
    }
    return status == napi_ok && !pending ? answer : nullptr;
  }

  napi_env env_;
  napi_ref key_of_ = nullptr;
  napi_ref may_resume_ = nullptr;
};

struct Held {
  std::shared_ptr<Context> context;
};

void drop(napi_env, void* data, void*) {
  Held* held = static_cast<Held*>(data);
  held->context->listening.reset();
  delete held;
}

/// The class of sessions, kept for as long as there are contexts that make them.
struct Classes {
  napi_env env;
  napi_ref session;
};

Context* contextOf(napi_env env, napi_callback_info info, Call* call) {
  void* data = nullptr;
  if (!call->read(env, info)) return nullptr;
  if (napi_unwrap(env, call->self, &data) != napi_ok || data == nullptr) {
    throwError(env, "ERR_DTLS_DESTROYED", "this is no DTLS context");
    return nullptr;
  }
  return static_cast<Held*>(data)->context.get();
}

std::shared_ptr<Context> sharedContextOf(napi_env env, const Call& call) {
  void* data = nullptr;
  return napi_unwrap(env, call.self, &data) == napi_ok ? static_cast<Held*>(data)->context : nullptr;
}

napi_value sessionClass(napi_env env, const Call& call) {
  napi_value found = nullptr;
  napi_get_reference_value(env, static_cast<Classes*>(call.data)->session, &found);
  return found;
}

bool isInRange(int64_t number, int64_t least, int64_t most) { return number >= least && number <= most; }

napi_value construct(napi_env env, napi_callback_info info) {
  Call call;
  if (!call.read(env, info)) return nullptr;
  const napi_value from = call.arguments[0];
  if (!isOfType(env, from, napi_object)) {
    throwError(env, "ERR_INVALID_ARG_TYPE", "new Context(options)");
    return nullptr;
  }
  ContextOptions options;
  const napi_value key_of = property(env, from, "keyOf");
  const napi_value may_resume = property(env, from, "mayResume");
  options.server = booleanProperty(env, from, "server");
  options.asks_keys = isOfType(env, key_of, napi_function);
  options.resumes = isOfType(env, may_resume, napi_function);
  const int64_t verify = numberProperty(env, from, "verify", 0);
  if (verify >= 1) options.verify |= SSL_VERIFY_PEER;
  if (verify >= 2) options.verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  const int64_t mtu = numberProperty(env, from, "mtu", kDefaultMtu);
  const int64_t retransmit = numberProperty(env, from, "retransmit", 1000);
  const int64_t ticket = numberProperty(env, from, "ticketLifetime", 3600);
  const int64_t message = numberProperty(env, from, "maximumHandshakeMessage", kMaxHandshakeMessage);
  if (!isInRange(mtu, kMinMtu, kMaxMtu) || !isInRange(retransmit, 20, 60000) || !isInRange(ticket, 1, 7 * 86400) ||
      !isInRange(message, 1024, 1 << 17)) {
    throwError(env, "ERR_OUT_OF_RANGE",
               "mtu is 256 to 16384 octets, retransmit 20 to 60000 ms, ticketLifetime 1 to 604800 s, "
               "maximumHandshakeMessage 1024 to 131072 octets");
    return nullptr;
  }
  options.mtu = static_cast<unsigned>(mtu);
  options.retransmit_ms = static_cast<unsigned>(retransmit);
  options.ticket_seconds = static_cast<long>(ticket);
  options.max_handshake_message = static_cast<long>(message);
  options.suites = bytesProperty(env, from, "suites");
  options.groups = bytesProperty(env, from, "groups");
  options.certificate = bytesProperty(env, from, "certificate");
  options.private_key.bytes = bytesProperty(env, from, "privateKey");
  options.authorities = bytesProperty(env, from, "authorities");
  options.revoked = bytesProperty(env, from, "revoked");
  options.identity = bytesProperty(env, from, "identity");
  options.key.bytes = bytesProperty(env, from, "key");
  auto owner = std::make_unique<JavaScriptOwner>(env, options.asks_keys ? key_of : nullptr,
                                                 options.resumes ? may_resume : nullptr);
  std::string why;
  auto held = std::make_unique<Held>();
  held->context = Context::create(options, std::move(owner), &why);
  if (!held->context) {
    throwError(env, "ERR_DTLS_OPTIONS", why);
    return nullptr;
  }
  if (napi_wrap(env, call.self, held.get(), drop, nullptr, nullptr) == napi_ok) held.release();
  return call.self;
}

/// listen(hello, peer): a Session when the cookie in it is right, else the datagram that answers it, or undefined.
napi_value listen(napi_env env, napi_callback_info info) {
  Call call;
  Context* context = contextOf(env, info, &call);
  if (context == nullptr) return nullptr;
  const Bytes peer = copyBytes(env, call.arguments[1]);
  const uint8_t* hello = nullptr;
  size_t size = 0;
  if (!context->isServer() || peer.empty() || !viewBuffer(env, call.arguments[0], &hello, &size)) {
    throwError(env, "ERR_INVALID_ARG_TYPE", "listen(hello: Buffer, peer: string) of a server's context");
    return nullptr;
  }
  if (context->listening && context->listening->isBusy()) return undefined(env);
  Bytes answer;
  Bytes datagram(reinterpret_cast<const char*>(hello), size < kMaxDatagram ? size : kMaxDatagram);
  std::unique_ptr<Session> session = Session::listen(sharedContextOf(env, call), std::move(datagram), peer, &answer);
  if (session) return wrapSession(env, sessionClass(env, call), std::move(session));
  return answer.empty() ? undefined(env) : toBuffer(env, answer);
}

/// connect(name, saved): a Session whose first flight `proceed()` makes.
napi_value connect(napi_env env, napi_callback_info info) {
  Call call;
  Context* context = contextOf(env, info, &call);
  if (context == nullptr) return nullptr;
  if (context->isServer()) {
    throwError(env, "ERR_INVALID_STATE", "connect() wants a client's context");
    return nullptr;
  }
  const Bytes name = copyBytes(env, call.arguments[0]);
  Secret saved;
  saved.bytes = copyBytes(env, call.arguments[1]);
  std::unique_ptr<Session> session = Session::connect(sharedContextOf(env, call), name, saved.bytes);
  if (session) return wrapSession(env, sessionClass(env, call), std::move(session));
  throwError(env, "ERR_DTLS", "there is no memory for a DTLS session");
  return nullptr;
}

napi_value done(napi_env env, bool is_done, const char* what, const std::string& why) {
  if (!is_done) throwError(env, "ERR_DTLS_OPTIONS", std::string(what) + ": " + why);
  return undefined(env);
}

napi_value setCertificate(napi_env env, napi_callback_info info) {
  Call call;
  Context* context = contextOf(env, info, &call);
  if (context == nullptr) return nullptr;
  Secret key;
  key.bytes = copyBytes(env, call.arguments[1]);
  std::string why;
  return done(env, context->setCertificate(copyBytes(env, call.arguments[0]), key.bytes, &why), "certificate", why);
}

napi_value setAuthorities(napi_env env, napi_callback_info info) {
  Call call;
  Context* context = contextOf(env, info, &call);
  if (context == nullptr) return nullptr;
  std::string why;
  const Bytes authorities = copyBytes(env, call.arguments[0]);
  const Bytes revoked = copyBytes(env, call.arguments[1]);
  return done(env, context->setAuthorities(authorities, revoked, &why), "authorities", why);
}

napi_value rotateCookies(napi_env env, napi_callback_info info) {
  Call call;
  Context* context = contextOf(env, info, &call);
  return context == nullptr ? nullptr : done(env, context->cookies().rotate(), "cookies", "there is no randomness");
}

napi_value rotateTickets(napi_env env, napi_callback_info info) {
  Call call;
  Context* context = contextOf(env, info, &call);
  return context == nullptr ? nullptr : done(env, context->rotateTicketKeys(), "tickets", "there is no randomness");
}

}  // namespace

napi_value defineContextClass(napi_env env, napi_value session_class) {
  Classes* classes = new Classes{env, nullptr};
  napi_create_reference(env, session_class, 1, &classes->session);
  const auto forget = [](void* data) { delete static_cast<Classes*>(data); };
  napi_add_env_cleanup_hook(env, forget, classes);
  const auto method = [classes](const char* name, napi_callback run) {
    return napi_property_descriptor{name, nullptr, run, nullptr, nullptr, nullptr, napi_default_method, classes};
  };
  const napi_property_descriptor methods[] = {
      method("listen", listen),
      method("connect", connect),
      method("setCertificate", setCertificate),
      method("setAuthorities", setAuthorities),
      method("rotateCookies", rotateCookies),
      method("rotateTickets", rotateTickets),
  };
  napi_value made = nullptr;
  napi_define_class(env, "Context", NAPI_AUTO_LENGTH, construct, classes, sizeof methods / sizeof *methods, methods, &made);
  return made;
}

}  // namespace dtls
