// What OpenSSL says went wrong, as text for the operator.
#pragma once

#include <string>

namespace dtls {

/// Takes all of the thread's error queue.
std::string takeOpenSslErrors();

}  // namespace dtls
