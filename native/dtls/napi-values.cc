#include "napi-values.h"

namespace dtls {

void throwError(napi_env env, const char* code, const std::string& message) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_error(env, code, message.c_str());
}

bool isOfType(napi_env env, napi_value value, napi_valuetype type) {
  napi_valuetype found;
  return value != nullptr && napi_typeof(env, value, &found) == napi_ok && found == type;
}

bool viewBuffer(napi_env env, napi_value value, const uint8_t** data, size_t* size) {
  bool is_buffer = false;
  void* start = nullptr;
  if (value == nullptr || napi_is_buffer(env, value, &is_buffer) != napi_ok || !is_buffer) return false;
  if (napi_get_buffer_info(env, value, &start, size) != napi_ok) return false;
  *data = static_cast<const uint8_t*>(start);
  return true;
}

Bytes copyBytes(napi_env env, napi_value value) {
  const uint8_t* data = nullptr;
  size_t size = 0;
  if (viewBuffer(env, value, &data, &size)) {
    return size > 0 ? Bytes(reinterpret_cast<const char*>(data), size) : Bytes();
  }
  if (!isOfType(env, value, napi_string) || napi_get_value_string_utf8(env, value, nullptr, 0, &size) != napi_ok) return {};
  Bytes text(size, '\0');
  napi_get_value_string_utf8(env, value, &text[0], size + 1, &size);
  return text;
}

napi_value property(napi_env env, napi_value object, const char* name) {
  napi_value found = nullptr;
  return napi_get_named_property(env, object, name, &found) == napi_ok ? found : nullptr;
}

Bytes bytesProperty(napi_env env, napi_value object, const char* name) {
  return copyBytes(env, property(env, object, name));
}

int64_t numberProperty(napi_env env, napi_value object, const char* name, int64_t otherwise) {
  const napi_value found = property(env, object, name);
  int64_t number = otherwise;
  if (!isOfType(env, found, napi_number) || napi_get_value_int64(env, found, &number) != napi_ok) return otherwise;
  return number;
}

bool booleanProperty(napi_env env, napi_value object, const char* name) {
  const napi_value found = property(env, object, name);
  bool value = false;
  return isOfType(env, found, napi_boolean) && napi_get_value_bool(env, found, &value) == napi_ok && value;
}

napi_value undefined(napi_env env) {
  napi_value made = nullptr;
  napi_get_undefined(env, &made);
  return made;
}

napi_value toBuffer(napi_env env, const Bytes& bytes) {
  napi_value made = nullptr;
  napi_create_buffer_copy(env, bytes.size(), bytes.data(), nullptr, &made);
  return made;
}

napi_value toBuffers(napi_env env, const std::vector<Bytes>& list) {
  napi_value made = nullptr;
  if (napi_create_array_with_length(env, list.size(), &made) != napi_ok) return nullptr;
  for (uint32_t at = 0; at < list.size(); at += 1) napi_set_element(env, made, at, toBuffer(env, list[at]));
  return made;
}

napi_value toText(napi_env env, const char* text) {
  napi_value made = nullptr;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &made);
  return made;
}

napi_value toNumber(napi_env env, double number) {
  napi_value made = nullptr;
  napi_create_double(env, number, &made);
  return made;
}

napi_value toBoolean(napi_env env, bool value) {
  napi_value made = nullptr;
  napi_get_boolean(env, value, &made);
  return made;
}

napi_value toDer(napi_env env, X509* certificate) {
  const int size = i2d_X509(certificate, nullptr);
  if (size <= 0) return undefined(env);
  Bytes der(static_cast<size_t>(size), '\0');
  unsigned char* to = reinterpret_cast<unsigned char*>(&der[0]);
  i2d_X509(certificate, &to);
  return toBuffer(env, der);
}

}  // namespace dtls
