#include "openssl-errors.h"

#include <openssl/err.h>

namespace dtls {

std::string takeOpenSslErrors() {
  std::string all;
  const char* data = nullptr;
  int flags = 0;
  while (unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
    if (!all.empty()) all += "; ";
    const char* reason = ERR_reason_error_string(code);
    all += reason != nullptr ? std::string(reason) : "error " + std::to_string(code);
    if (data != nullptr && *data != '\0' && (flags & ERR_TXT_STRING) != 0) all += std::string(" (") + data + ")";
  }
  return all.empty() ? "no reason was given" : all;
}

}  // namespace dtls
