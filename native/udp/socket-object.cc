#include "socket-object.h"

#include <memory>
#include <string>

#include "socket.h"

namespace udp {

namespace {

/// A socket, the memory and the function that JavaScript gave it. Lives from `new` until the event loop is done with it.
class Held final : public Owner {
 public:
  Held(napi_env env, const Terms& terms) : env_(env), socket_(std::make_unique<Socket>(*this, terms)) {}

  Socket& socket() { return *socket_; }

  /// False with an exception pending.
  bool keep(napi_value options, napi_value deliver) {
    napi_value name = nullptr;
    return napi_create_reference(env_, options, 1, &options_) == napi_ok &&
           napi_create_reference(env_, deliver, 1, &deliver_) == napi_ok &&
           napi_create_string_utf8(env_, "latchkey:udp", NAPI_AUTO_LENGTH, &name) == napi_ok &&
           napi_async_init(env_, nullptr, name, &context_) == napi_ok &&
           napi_add_async_cleanup_hook(env_, environmentEnds, this, &hook_) == napi_ok;
  }

  void received(unsigned count) override {
    napi_handle_scope scope = nullptr;
    if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
    napi_value deliver = nullptr;
    napi_value self = nullptr;
    napi_value number = nullptr;
    napi_get_reference_value(env_, deliver_, &deliver);
    napi_get_global(env_, &self);
    napi_create_uint32(env_, count, &number);
    if (napi_make_callback(env_, context_, self, deliver, 1, &number, nullptr) == napi_pending_exception) {
      napi_value error = nullptr;
      if (napi_get_and_clear_last_exception(env_, &error) == napi_ok) napi_fatal_exception(env_, error);
    }
    napi_close_handle_scope(env_, scope);
  }

  void released() override {
    napi_handle_scope scope = nullptr;
    const bool scoped = napi_open_handle_scope(env_, &scope) == napi_ok;
    discard();
    if (scoped) napi_close_handle_scope(env_, scope);
    delete this;
  }

  /// Gives back what `keep` took.
  void discard() {
    if (options_ != nullptr) napi_delete_reference(env_, options_);
    if (deliver_ != nullptr) napi_delete_reference(env_, deliver_);
    if (context_ != nullptr) napi_async_destroy(env_, context_);
    if (hook_ != nullptr) napi_remove_async_cleanup_hook(hook_);
    options_ = deliver_ = nullptr;
    context_ = nullptr;
    hook_ = nullptr;
  }

 private:
  static void environmentEnds(napi_async_cleanup_hook_handle, void* data) { static_cast<Held*>(data)->socket().close(); }

  napi_env env_;
  std::unique_ptr<Socket> socket_;
  napi_ref options_ = nullptr;
  napi_ref deliver_ = nullptr;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
};

napi_value refuse(napi_env env, const char* code, const std::string& message) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_error(env, code, message.c_str());
  return nullptr;
}

napi_value property(napi_env env, napi_value object, const char* name) {
  napi_value found = nullptr;
  return napi_get_named_property(env, object, name, &found) == napi_ok ? found : nullptr;
}

uint32_t numberOf(napi_env env, napi_value object, const char* name) {
  uint32_t number = 0;
  napi_get_value_uint32(env, property(env, object, name), &number);
  return number;
}

/// A typed array's memory, in elements of that type; null when it is none, or too short.
void* arrayOf(napi_env env, napi_value object, const char* name, napi_typedarray_type type, size_t least, size_t* size) {
  napi_typedarray_type found;
  void* data = nullptr;
  const napi_value value = property(env, object, name);
  bool is_array = false;
  if (value == nullptr || napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array) return nullptr;
  if (napi_get_typedarray_info(env, value, &found, size, &data, nullptr, nullptr) != napi_ok) return nullptr;
  return found == type && *size >= least ? data : nullptr;
}

bool readTerms(napi_env env, napi_value options, Terms* terms) {
  char host[INET6_ADDRSTRLEN + 20] = {};
  size_t length = 0;
  if (napi_get_value_string_latin1(env, property(env, options, "address"), host, sizeof host, &length) != napi_ok)
    return false;
  const int port = static_cast<int>(numberOf(env, options, "port"));
  if (uv_ip4_addr(host, port, reinterpret_cast<sockaddr_in*>(&terms->address)) != 0 &&
      uv_ip6_addr(host, port, reinterpret_cast<sockaddr_in6*>(&terms->address)) != 0)
    return false;
  size_t heads = 0;
  terms->receive_buffer = static_cast<int>(numberOf(env, options, "receiveBuffer"));
  terms->datagram = numberOf(env, options, "datagram");
  if (terms->datagram == 0 || terms->datagram > kMaxDatagram) return false;
  terms->incoming.bytes = static_cast<uint8_t*>(
      arrayOf(env, options, "incoming", napi_uint8_array, kBatch * terms->datagram, &terms->incoming.size));
  terms->heads =
      static_cast<uint32_t*>(arrayOf(env, options, "heads", napi_uint32_array, kBatch * kReceivedWords, &heads));
  terms->outgoing = static_cast<uint32_t*>(
      arrayOf(env, options, "outgoing", napi_uint32_array, kPreludeWords, &terms->outgoing_words));
  return terms->incoming.bytes != nullptr && terms->heads != nullptr && terms->outgoing != nullptr;
}

napi_value construct(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2] = {};
  napi_value self = nullptr;
  Terms terms;
  napi_valuetype type = napi_undefined;
  if (napi_get_cb_info(env, info, &count, arguments, &self, nullptr) != napi_ok) return nullptr;
  if (count < 2 || napi_typeof(env, arguments[1], &type) != napi_ok || type != napi_function ||
      !readTerms(env, arguments[0], &terms))
    return refuse(env, "ERR_INVALID_ARG_VALUE", "new Socket(options, deliver: (count) => void)");
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return refuse(env, "ERR_UDP", "there is no event loop");
  auto held = std::make_unique<Held>(env, terms);
  if (!held->keep(arguments[0], arguments[1])) {
    held->discard();
    return refuse(env, "ERR_UDP", "there is no memory for a UDP socket");
  }
  const int error = held->socket().open(loop);
  if (error != 0) {
    held->discard();
    return refuse(env, uv_err_name(error), uv_strerror(error));
  }
  // Without a finaliser: an open socket is held by the event loop, and `close` unwraps it.
  if (napi_wrap(env, self, held.get(), nullptr, nullptr, nullptr) != napi_ok) {
    held.release()->socket().close();
    return refuse(env, "ERR_UDP", "there is no memory for a UDP socket");
  }
  held.release();
  return self;
}

/// The socket of a method call; null once it is closed.
Held* heldBy(napi_env env, napi_callback_info info, napi_value* self) {
  void* data = nullptr;
  if (napi_get_cb_info(env, info, nullptr, nullptr, self, nullptr) != napi_ok) return nullptr;
  return napi_unwrap(env, *self, &data) == napi_ok ? static_cast<Held*>(data) : nullptr;
}

napi_value port(napi_env env, napi_callback_info info) {
  napi_value self = nullptr;
  napi_value number = nullptr;
  Held* held = heldBy(env, info, &self);
  napi_create_uint32(env, held == nullptr ? 0 : held->socket().port(), &number);
  return number;
}

napi_value flush(napi_env env, napi_callback_info info) {
  napi_value self = nullptr;
  Held* held = heldBy(env, info, &self);
  if (held != nullptr) held->socket().flush();
  return nullptr;
}

napi_value close(napi_env env, napi_callback_info info) {
  napi_value self = nullptr;
  void* data = nullptr;
  Held* held = heldBy(env, info, &self);
  if (held != nullptr && napi_remove_wrap(env, self, &data) == napi_ok) held->socket().close();
  return nullptr;
}

}  // namespace

napi_value defineSocketClass(napi_env env) {
  const auto method = [](const char* name, napi_callback run) {
    return napi_property_descriptor{name, nullptr, run, nullptr, nullptr, nullptr, napi_default_method, nullptr};
  };
  const napi_property_descriptor methods[] = {method("port", port), method("flush", flush), method("close", close)};
  napi_value made = nullptr;
  napi_define_class(env, "Socket", NAPI_AUTO_LENGTH, construct, nullptr, sizeof methods / sizeof *methods, methods, &made);
  return made;
}

}  // namespace udp
