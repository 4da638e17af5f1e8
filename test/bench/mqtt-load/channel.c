/*
 * The bytes of a connection: a socket, or TLS over it where OpenSSL's headers were there when this was built (WITH_TLS).
 * Version, cipher and group are fixed, so that each broker has the same work. Servers are not verified: that would cost
 * only the load. No session is ever resumed.
 */
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes that the kernel takes for the one that stops reading; it doubles them. */
#define SMALL_BUFFER (1 << 14)

const char DISCONNECT[2] = {(char)0xE0, 0};
int poller;

/* Many source addresses, so that ports do not run out. */
static int open_socket(int number, bool waits) {
  const int fd = socket(AF_INET, SOCK_STREAM | (waits ? 0 : SOCK_NONBLOCK), 0), on = 1, small = SMALL_BUFFER;
  if (fd < 0) fail("socket: %s", strerror(errno));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &on, sizeof on);
  if (will_freeze(number)) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7F010001 + number % 200)};
  struct sockaddr_in broker = {
      .sin_family = AF_INET, .sin_port = htons(given.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(fd, (void *)&own, sizeof own) < 0) fail("bind: %s", strerror(errno));
  if (connect(fd, (void *)&broker, sizeof broker) < 0 && errno != EINPROGRESS) fail("connect: %s", strerror(errno));
  return fd;
}

void stop_waiting(client *one) { fcntl(one->fd, F_SETFL, fcntl(one->fd, F_GETFL) | O_NONBLOCK); }

void watch(client *one, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = one};
  if (epoll_ctl(poller, operation, one->fd, &event) < 0) fail("epoll_ctl: %s", strerror(errno));
}

#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#define CIPHER "TLS_AES_128_GCM_SHA256"
#define GROUP "X25519"
/* Bytes that are read from a socket at once: several records. */
#define READ_AHEAD (1 << 17)

static SSL_CTX *context;
/* By the line of --clients. */
static X509 **certificates;
static EVP_PKEY **keys;

const char *tls_version(void) { return OpenSSL_version(OPENSSL_VERSION); }

/* FOLDER/USER.pem: the key, the certificate, then those of its issuers, which are the same for all. */
static void read_certificate(int line) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s.pem", given.certificates, users[line]);
  FILE *file = fopen(path, "r");
  if (!file) fail("%s cannot be read", path);
  keys[line] = PEM_read_PrivateKey(file, NULL, NULL, NULL);
  certificates[line] = PEM_read_X509(file, NULL, NULL, NULL);
  if (!keys[line] || !certificates[line]) fail("%s does not hold a key and a certificate", path);
  for (X509 *issuer; line == 0 && (issuer = PEM_read_X509(file, NULL, NULL, NULL));)
    SSL_CTX_add_extra_chain_cert(context, issuer);
  ERR_clear_error();
  fclose(file);
}

void prepare_tls(void) {
  context = SSL_CTX_new(TLS_client_method());
  if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
      !SSL_CTX_set_ciphersuites(context, CIPHER) || !SSL_CTX_set1_groups_list(context, GROUP))
    fail("OpenSSL does not know TLS 1.3 with " CIPHER " and " GROUP);
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  /* The kernel is asked for several records at once; without this for each twice. */
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD);
  if (!given.certificates) return;
  certificates = calloc(known, sizeof *certificates);
  keys = calloc(known, sizeof *keys);
  for (int line = 0; line < known; line++) read_certificate(line);
}

static void begin_tls(client *one) {
  SSL *tls = one->tls = SSL_new(context);
  const int line = one->number % known;
  if (!tls || !SSL_set_fd(tls, one->fd)) fail("OpenSSL takes no more connections");
  if (certificates && (!SSL_use_certificate(tls, certificates[line]) || !SSL_use_PrivateKey(tls, keys[line])))
    fail("the key of %s does not match its certificate", users[line]);
  SSL_set_connect_state(tls);
}

int shake_hands(client *one) {
  if (!one->tls) return 1;
  ERR_clear_error();
  const int done = SSL_do_handshake(one->tls);
  if (done == 1) return 1;
  return SSL_get_error(one->tls, done) == SSL_ERROR_WANT_READ ? 0 : -1;
}

/* What SSL_read and SSL_write answered, as recv and send would have. */
static ssize_t outcome(client *one, int answer) {
  if (answer > 0) return answer;
  const int error = SSL_get_error(one->tls, answer);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
  return -1;
}

/* A record holds 16 KiB at most: as many as are there and have room. */
static ssize_t read_tls(client *one, uint8_t *to, size_t length) {
  size_t had = 0;
  ERR_clear_error();
  while (had < length) {
    const int got = SSL_read(one->tls, to + had, length - had);
    if (got <= 0 && had == 0) return outcome(one, got);
    if (got <= 0) break;
    had += got;
    if (!SSL_has_pending(one->tls)) break;
  }
  return had;
}

static ssize_t write_tls(client *one, const void *from, size_t length) {
  ERR_clear_error();
  return outcome(one, SSL_write(one->tls, from, length));
}

bool has_more(const client *one) { return one->tls && SSL_has_pending(one->tls); }
static void end_tls(client *one) { SSL_free(one->tls); }
#else
const char *tls_version(void) { return ""; }
void prepare_tls(void) { fail("built without OpenSSL"); }
static void begin_tls(client *one) { (void)one; }
int shake_hands(client *one) { return one->tls ? -1 : 1; }
static ssize_t read_tls(client *one, uint8_t *to, size_t length) { return (void)one, (void)to, (void)length, -1; }
static ssize_t write_tls(client *one, const void *from, size_t length) {
  return (void)one, (void)from, (void)length, -1;
}
bool has_more(const client *one) { return (void)one, false; }
static void end_tls(client *one) { (void)one; }
#endif

void open_channel(client *one, bool waits) {
  one->fd = open_socket(one->number, waits);
  if (!given.tls) return;
  begin_tls(one);
  if (waits && shake_hands(one) != 1) fail("the handshake of connection %d failed", one->number);
}

ssize_t read_channel(client *one, void *to, size_t length) {
  return one->tls ? read_tls(one, to, length) : recv(one->fd, to, length, 0);
}

ssize_t write_channel(client *one, const void *from, size_t length) {
  return one->tls ? write_tls(one, from, length) : send(one->fd, from, length, MSG_NOSIGNAL);
}

void close_channel(client *one) {
  if (one->tls) end_tls(one);
  one->tls = NULL;
  close(one->fd);
}
