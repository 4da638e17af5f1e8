/* What the parts of mqtt-load share: see main.c for what it does. */
#ifndef LOAD_H
#define LOAD_H
#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NANOSECONDS 1000000000ull
/* The payload begins with the time of sending and the publisher's number. */
#define STAMP 12

enum { CONNECT = 1, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK };

typedef struct {
  uint8_t bytes[8192];
  size_t length;
} packet;

typedef struct {
  /* `tls` is an SSL, or NULL. */
  int fd, number;
  void *tls;
  bool wants_out, is_ready;
  /* The first bytes of a packet whose rest has not come. */
  uint8_t *part, *out;
  size_t part_length, part_room, out_length, out_sent, out_room;
  /* A publisher's: its PUBLISH, where the time of sending stands in it, and what became of the messages. */
  packet *publish;
  size_t stamp_at;
  uint16_t packet_id;
  long sent, delivered, acknowledged, forgiven;
  /* A subscriber's: when it last got a message. */
  uint64_t heard;
  /* Of a connect that goes on. */
  uint64_t since;
  bool is_open;
} client;

/* What the command line says. */
typedef struct {
  const char *shape, *clients, *certificates;
  int port, publishers, subscribers, qos, window, size, count;
  bool persistent, properties, tls, freezes;
  double rate, warm, seconds;
} options;
extern options given;

/* main.c: who may connect, the lines of --clients. */
extern char (*users)[256], (*passwords)[256];
extern int known;
void fail(const char *form, ...) __attribute__((noreturn, format(printf, 1, 2)));
bool is(const char *a, const char *b);
/* Whether this connection is the one that will stop reading: the last. */
bool will_freeze(int number);

/* meter.c */
extern bool measuring;
uint64_t now(void);
/* Seconds of user and system time. */
double own_cpu(void);
/* One line on stdout. */
void say(const char *form, ...) __attribute__((format(printf, 1, 2)));
void note_latency(uint64_t nanoseconds);
/* The last line; `more` is further JSON, or empty. */
void say_done(long counted, double took, double cpu, long lost, const char *more);

/* packets.c */
packet connect_packet(int number);
packet subscribe_packet(const char *filter);
void prepare_publish(client *one, const char *topic);
/* Where the packet identifier stands in what was prepared. */
size_t packet_id_at(const client *one);

/* channel.c: the bytes of a connection, plain or over TLS. */
extern const char DISCONNECT[2];
void prepare_tls(void);
const char *tls_version(void);
/* Opens a socket; with `waits` the connection, and the handshake, are made when it returns. */
void open_channel(client *one, bool waits);
/* 1 when the handshake is done (always without TLS), 0 when it goes on, -1 when it failed. */
int shake_hands(client *one);
/* As recv and send do; what is no error and goes on later is -1 with EAGAIN. */
ssize_t read_channel(client *one, void *to, size_t length);
ssize_t write_channel(client *one, const void *from, size_t length);
/* Whether bytes have come that epoll does not tell of. */
bool has_more(const client *one);
void close_channel(client *one);
void stop_waiting(client *one);
void watch(client *one, int operation, uint32_t events);
extern int poller;

/* dialogue.c: packets that are asked and answered while nothing else happens. */
void enter(client *one);
void subscribe(client *one, const char *filter);

/* What it can do. */
void run_load(void);
void run_connects(void);
void run_idle(void);
#endif
