// OpenSSL's objects, freed by whoever holds them.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "the headers of OpenSSL 3 are needed"
#endif

namespace dtls {

using Bytes = std::string;

template <auto Free>
struct FreedBy {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};

using SslPtr = std::unique_ptr<SSL, FreedBy<SSL_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, FreedBy<SSL_CTX_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, FreedBy<SSL_SESSION_free>>;
using BioPtr = std::unique_ptr<BIO, FreedBy<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, FreedBy<X509_free>>;
using X509CrlPtr = std::unique_ptr<X509_CRL, FreedBy<X509_CRL_free>>;
using X509StorePtr = std::unique_ptr<X509_STORE, FreedBy<X509_STORE_free>>;
using PrivateKeyPtr = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;

/// Bytes that are wiped when their holder goes.
struct Secret {
  Bytes bytes;
  Secret() = default;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() {
    if (!bytes.empty()) OPENSSL_cleanse(&bytes[0], bytes.size());
  }
};

}  // namespace dtls
