#include "trust.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "openssl-errors.h"

namespace dtls {

namespace {

void freeNames(STACK_OF(X509_NAME) * names) { sk_X509_NAME_pop_free(names, X509_NAME_free); }
using NamesPtr = std::unique_ptr<STACK_OF(X509_NAME), FreedBy<freeNames>>;

BioPtr reader(const Bytes& pem) { return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

X509Ptr nextCertificate(BIO* from) { return X509Ptr(PEM_read_bio_X509(from, nullptr, nullptr, nullptr)); }

/// A key that asks for a passphrase is refused: there is nobody to ask.
int noPassphrase(char*, int, int, void*) { return -1; }

bool fail(std::string* why, const char* what) {
  *why = what;
  ERR_clear_error();
  return false;
}

}  // namespace

bool useCertificate(SSL_CTX* context, const Bytes& chain, const Bytes& key, std::string* why) {
  ERR_clear_error();
  BioPtr source = reader(chain);
  X509Ptr own = nextCertificate(source.get());
  if (!own) return fail(why, "there is no certificate in it");
  X509Ptr next;
  STACK_OF(X509)* rest = sk_X509_new_null();
  while ((next = nextCertificate(source.get()))) {
    if (sk_X509_push(rest, next.get()) > 0) next.release();
  }
  ERR_clear_error();  // the end of the PEM text counts as an error
  BioPtr key_source = reader(key);
  PrivateKeyPtr private_key(PEM_read_bio_PrivateKey(key_source.get(), nullptr, noPassphrase, nullptr));
  const bool taken = private_key && SSL_CTX_use_cert_and_key(context, own.get(), private_key.get(), rest, 1) == 1;
  sk_X509_pop_free(rest, X509_free);
  if (!taken) *why = takeOpenSslErrors();
  ERR_clear_error();
  return taken;
}

bool useAuthorities(SSL_CTX* context, const Bytes& authorities, const Bytes& revoked, bool server, std::string* why) {
  ERR_clear_error();
  X509StorePtr store(X509_STORE_new());
  NamesPtr names(sk_X509_NAME_new_null());
  if (!store || !names) return fail(why, "there is no memory");
  int found = 0;
  BioPtr source = reader(authorities);
  while (X509Ptr authority = nextCertificate(source.get())) {
    X509_STORE_add_cert(store.get(), authority.get());
    X509_NAME* name = X509_NAME_dup(X509_get_subject_name(authority.get()));
    if (name != nullptr && sk_X509_NAME_push(names.get(), name) <= 0) X509_NAME_free(name);
    found += 1;
  }
  if (found == 0) return fail(why, "there is no certificate in it");
  if (!revoked.empty()) {
    found = 0;
    source = reader(revoked);
    while (X509CrlPtr list = X509CrlPtr(PEM_read_bio_X509_CRL(source.get(), nullptr, nullptr, nullptr))) {
      X509_STORE_add_crl(store.get(), list.get());
      found += 1;
    }
    if (found == 0) return fail(why, "there is no revocation list in it");
    X509_STORE_set_flags(store.get(), X509_V_FLAG_CRL_CHECK);
  }
  SSL_CTX_set_cert_store(context, store.release());
  if (server) SSL_CTX_set_client_CA_list(context, names.release());
  ERR_clear_error();
  return true;
}

}  // namespace dtls
