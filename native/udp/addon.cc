// UDP in batches, for Linux. Node-API and libuv; no protocol: datagrams go in and out.
#include "socket-object.h"

namespace {

napi_value initialise(napi_env env, napi_value exports) {
  napi_set_named_property(env, exports, "Socket", udp::defineSocketClass(env));
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, initialise)
