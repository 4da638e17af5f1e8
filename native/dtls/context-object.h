// The class `Context` of JavaScript.
#pragma once

#include "napi-values.h"

namespace dtls {

napi_value defineContextClass(napi_env env, napi_value session_class);

}  // namespace dtls
