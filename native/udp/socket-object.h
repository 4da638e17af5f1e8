// The class `Socket` of JavaScript.
#pragma once

#include <node_api.h>

namespace udp {

napi_value defineSocketClass(napi_env env);

}  // namespace udp
