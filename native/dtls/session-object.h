// The class `Session` of JavaScript.
#pragma once

#include "napi-values.h"
#include "session.h"

namespace dtls {

napi_value defineSessionClass(napi_env env);

/// Hands a session to a new object of that class.
napi_value wrapSession(napi_env env, napi_value session_class, std::unique_ptr<Session> session);

}  // namespace dtls
