// JavaScript's values in and out. Nothing here throws in C++; what a caller did wrong becomes a JavaScript exception.
#pragma once

#include <node_api.h>

#include <vector>

#include "openssl-pointers.h"

namespace dtls {

void throwError(napi_env env, const char* code, const std::string& message);

/// Arguments and `this` of a method, whose object wraps a T. Null (and an exception) when it wraps none.
struct Call {
  static constexpr size_t kMaxArguments = 4;
  napi_value self = nullptr;
  size_t count = kMaxArguments;
  napi_value arguments[kMaxArguments] = {};
  void* data = nullptr;

  bool read(napi_env env, napi_callback_info info) {
    return napi_get_cb_info(env, info, &count, arguments, &self, &data) == napi_ok;
  }
};

bool isOfType(napi_env env, napi_value value, napi_valuetype type);
/// The bytes of a Buffer, valid while it is; false when it is none.
bool viewBuffer(napi_env env, napi_value value, const uint8_t** data, size_t* size);
/// A Buffer's or a string's bytes, copied; empty when it is neither.
Bytes copyBytes(napi_env env, napi_value value);

napi_value property(napi_env env, napi_value object, const char* name);
Bytes bytesProperty(napi_env env, napi_value object, const char* name);
int64_t numberProperty(napi_env env, napi_value object, const char* name, int64_t otherwise);
bool booleanProperty(napi_env env, napi_value object, const char* name);

napi_value undefined(napi_env env);
napi_value toBuffer(napi_env env, const Bytes& bytes);
napi_value toBuffers(napi_env env, const std::vector<Bytes>& list);
napi_value toText(napi_env env, const char* text);
napi_value toNumber(napi_env env, double number);
napi_value toBoolean(napi_env env, bool value);

/// DER of a certificate; undefined when it can not be written.
napi_value toDer(napi_env env, X509* certificate);

}  // namespace dtls
