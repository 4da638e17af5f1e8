// DTLS 1.2 (RFC 6347) over the OpenSSL inside the node binary, whose symbols it exports for addons. Node-API only; no socket,
// no timer, no thread, no policy: datagrams and plaintext go in and out, and who owns it decides.
#include <openssl/crypto.h>

#include <string>

#include "context-object.h"
#include "session-object.h"

namespace {

napi_value initialise(napi_env env, napi_value exports) {
  // The layout of what we pass to OpenSSL is that of a major version.
  if (OPENSSL_version_major() != OPENSSL_VERSION_MAJOR) {
    dtls::throwError(env, "ERR_DTLS_OPENSSL",
                     std::string("built for ") + OPENSSL_VERSION_TEXT + ", but this node has " +
                         OpenSSL_version(OPENSSL_VERSION));
    return nullptr;
  }
  const napi_value sessions = dtls::defineSessionClass(env);
  const napi_value contexts = dtls::defineContextClass(env, sessions);
  napi_set_named_property(env, exports, "Context", contexts);
  napi_set_named_property(env, exports, "openssl", dtls::toText(env, OpenSSL_version(OPENSSL_VERSION)));
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, initialise)
