/*
 * Load on an MQTT broker: raw sockets, epoll, prepared packets, one thread. `npm run bench -- mqtt` builds and runs it.
 *
 *   mqtt-load load --clients FILE --port N --shape fan-out|fan-in|pairs --publishers N --subscribers N --qos N
 *                  --window N | --rate N  --warm S --seconds S [--persistent] [--properties] [--size BYTES]
 *   mqtt-load connects --clients FILE --port N --window N --warm S --seconds S
 *   mqtt-load idle --clients FILE --port N --count N
 *
 * FILE has lines of "user password"; connection n takes line n modulo their number and the client id user/n.
 * The window is the number of messages of one publisher that are not yet delivered to all subscribers and acknowledged;
 * all that it allows goes out in one write. A rate is for all publishers together, one message in one write.
 * On stdout, one JSON object in a line: {"at":"begin"} and {"at":"end"} around the measured time, so that the parent reads
 * the broker's CPU time then, and at last {"at":"done", ...}. `idle` says {"at":"half"} and {"at":"all"} and goes on
 * after each when it reads a line.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS 1000000000ull
#define READ_BYTES (1 << 18)
#define EVENTS 512
/* Microseconds that are told apart; what takes longer counts as this. */
#define SLOWEST (1 << 21)
/* Without progress for so long, what is in flight counts as lost. */
#define STALL (2 * NANOSECONDS)
/* The payload begins with the time of sending and the publisher's number. */
#define STAMP 12

enum { CONNECT = 1, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK };

typedef struct {
  uint8_t bytes[2048];
  size_t length;
} packet;

typedef struct {
  int fd, number;
  bool wants_out, is_ready;
  /* The first bytes of a packet whose rest has not come. */
  uint8_t *part, *out;
  size_t part_length, part_room, out_length, out_sent, out_room;
  /* A publisher's: its PUBLISH, where the time of sending stands in it, and what became of the messages. */
  packet publish;
  size_t stamp_at;
  uint16_t packet_id;
  long sent, delivered, acknowledged, forgiven;
  /* Of a connect that goes on. */
  uint64_t since;
  bool is_open;
} client;

static const char *shape = "pairs", *clients_file;
static int port, publishers = 200, subscribers = 200, qos, window = 20, size = 64, count = 1000;
static bool persistent, properties;
static double rate, warm = 1, seconds = 2;

static char (*users)[256], (*passwords)[256];
static int known;
static int poller;
static client *publishing, *subscribing, **ready;
static int ready_count;
static long received, sent, lost;
static bool measuring;
static uint32_t *latencies;
static uint8_t input[READ_BYTES];

static void fail(const char *form, ...) {
  va_list arguments;
  va_start(arguments, form);
  fputs("mqtt-load: ", stderr);
  vfprintf(stderr, form, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * NANOSECONDS + time.tv_nsec;
}

static double own_cpu(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void say(const char *form, ...) {
  va_list arguments;
  va_start(arguments, form);
  vprintf(form, arguments);
  va_end(arguments);
  putchar('\n');
  fflush(stdout);
}

/* Packets */

static void put(packet *to, const void *bytes, size_t length) {
  if (to->length + length > sizeof to->bytes) fail("a packet is too long");
  memcpy(to->bytes + to->length, bytes, length);
  to->length += length;
}
static void put_byte(packet *to, int byte) { put(to, &(uint8_t){byte}, 1); }
static void put_uint16(packet *to, int value) { put(to, (uint8_t[]){value >> 8, value}, 2); }
static void put_text(packet *to, const char *text) {
  put_uint16(to, strlen(text));
  put(to, text, strlen(text));
}

static packet framed(int first, const packet *body) {
  packet whole = {.length = 0};
  put_byte(&whole, first);
  size_t left = body->length;
  do {
    put_byte(&whole, (left & 127) | (left > 127 ? 128 : 0));
    left >>= 7;
  } while (left > 0);
  put(&whole, body->bytes, body->length);
  return whole;
}

static packet connect_packet(int number) {
  const int line = number % known;
  char id[300];
  snprintf(id, sizeof id, "%s/%d", users[line], number);
  packet body = {.length = 0};
  put_text(&body, "MQTT");
  put_byte(&body, properties ? 5 : 4);
  /* Of a load, subscribers alone ask for a session that lasts. */
  put_byte(&body, 0xC0 | (persistent && number >= publishers ? 0 : 2));
  put_uint16(&body, 0);
  if (properties) put_byte(&body, 0);
  put_text(&body, id);
  put_text(&body, users[line]);
  put_text(&body, passwords[line]);
  return framed(CONNECT << 4, &body);
}

static packet subscribe_packet(const char *filter) {
  packet body = {.length = 0};
  put_uint16(&body, 1);
  /* Subscription Identifier 7. */
  if (properties) put(&body, (uint8_t[]){2, 0x0B, 7}, 3);
  put_text(&body, filter);
  put_byte(&body, qos);
  return framed(SUBSCRIBE << 4 | 2, &body);
}

static void prepare_publish(client *one, const char *topic) {
  packet body = {.length = 0};
  put_text(&body, topic);
  if (qos > 0) put_uint16(&body, 0);
  if (properties) {
    /* Payload Format Indicator, Content Type, one User Property. */
    packet list = {.length = 0};
    put(&list, (uint8_t[]){0x01, 0}, 2); /* bytes: the payload holds a number, which is no UTF-8 */
    put_byte(&list, 0x03);
    put_text(&list, "application/json");
    put_byte(&list, 0x26);
    put_text(&list, "unit");
    put_text(&list, "celsius");
    put_byte(&body, list.length);
    put(&body, list.bytes, list.length);
  }
  const uint32_t number = one->number;
  for (int i = 0; i < size; i++) put_byte(&body, 'x');
  memcpy(body.bytes + body.length - size + 8, &number, 4);
  one->publish = framed(PUBLISH << 4 | qos << 1, &body);
  one->stamp_at = one->publish.length - size;
}

/* The packet identifier stands before the properties, if any, and the payload. */
static size_t packet_id_at(const client *one) {
  size_t at = 1;
  while (one->publish.bytes[at++] & 128) continue;
  return at + 2 + (one->publish.bytes[at] << 8 | one->publish.bytes[at + 1]);
}

/* Sockets */

/* Many source addresses, so that ports do not run out. */
static int open_socket(int number, bool waits) {
  const int fd = socket(AF_INET, SOCK_STREAM | (waits ? 0 : SOCK_NONBLOCK), 0), on = 1;
  if (fd < 0) fail("socket: %s", strerror(errno));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &on, sizeof on);
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7F010001 + number % 200)};
  struct sockaddr_in broker = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(fd, (void *)&own, sizeof own) < 0) fail("bind: %s", strerror(errno));
  if (connect(fd, (void *)&broker, sizeof broker) < 0 && errno != EINPROGRESS) fail("connect: %s", strerror(errno));
  return fd;
}

static void watch(client *one, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = one};
  if (epoll_ctl(poller, operation, one->fd, &event) < 0) fail("epoll_ctl: %s", strerror(errno));
}

static uint8_t *room(client *one, size_t length) {
  if (one->out_length + length > one->out_room) {
    one->out_room = (one->out_length + length) * 2;
    one->out = realloc(one->out, one->out_room);
  }
  one->out_length += length;
  return one->out + one->out_length - length;
}

static void flush(client *one) {
  while (one->out_sent < one->out_length) {
    const ssize_t taken = send(one->fd, one->out + one->out_sent, one->out_length - one->out_sent, MSG_NOSIGNAL);
    if (taken < 0 && errno != EAGAIN) fail("connection %d: %s", one->number, strerror(errno));
    if (taken < 0) {
      if (!one->wants_out) watch(one, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
      one->wants_out = true;
      return;
    }
    one->out_sent += taken;
  }
  one->out_length = one->out_sent = 0;
  if (one->wants_out) watch(one, EPOLL_CTL_MOD, EPOLLIN);
  one->wants_out = false;
}

static void read_exactly(client *one, uint8_t *to, size_t length) {
  for (size_t had = 0; had < length;) {
    const ssize_t got = recv(one->fd, to + had, length - had, 0);
    if (got <= 0) fail("connection %d was closed before it was ready", one->number);
    had += got;
  }
}

/* Waits for one packet, short ones alone; returns its last byte, which is a reason code where that matters. */
static uint8_t ask(client *one, packet question, int answer) {
  if (send(one->fd, question.bytes, question.length, MSG_NOSIGNAL) != (ssize_t)question.length) fail("send");
  uint8_t bytes[128];
  read_exactly(one, bytes, 2);
  if (bytes[0] >> 4 != answer || bytes[1] > 100) fail("connection %d was answered with a packet %d", one->number, bytes[0] >> 4);
  read_exactly(one, bytes + 2, bytes[1]);
  return answer == CONNACK ? bytes[3] : bytes[1 + bytes[1]];
}

static void enter(client *one) {
  one->fd = open_socket(one->number, true);
  const int code = ask(one, connect_packet(one->number), CONNACK);
  if (code != 0) fail("connection %d was refused: %d", one->number, code);
}

static void subscribe(client *one, const char *filter) {
  const int code = ask(one, subscribe_packet(filter), SUBACK);
  if (code > 2) fail("connection %d may not subscribe to %s: %d", one->number, filter, code);
}

static void go_on_without_waiting(client *one) {
  fcntl(one->fd, F_SETFL, fcntl(one->fd, F_GETFL) | O_NONBLOCK);
  watch(one, EPOLL_CTL_ADD, EPOLLIN);
}

/* Messages */

static bool is(const char *a, const char *b) { return strcmp(a, b) == 0; }
static int receivers(void) { return is(shape, "fan-out") ? subscribers : 1; }

static long in_flight(const client *one) {
  const long delivered = one->delivered / receivers();
  const long settled = qos > 0 && one->acknowledged < delivered ? one->acknowledged : delivered;
  return one->sent - settled - one->forgiven;
}

static void make_ready(client *one) {
  if (one->is_ready || rate > 0) return;
  one->is_ready = true;
  ready[ready_count++] = one;
}

static void publish(client *one, int messages, uint64_t time) {
  const size_t length = one->publish.length;
  uint8_t *to = room(one, length * messages);
  const size_t id_at = qos > 0 ? packet_id_at(one) : 0;
  for (int i = 0; i < messages; i++, to += length) {
    memcpy(to, one->publish.bytes, length);
    memcpy(to + one->stamp_at, &time, sizeof time);
    if (qos == 0) continue;
    one->packet_id = one->packet_id == 65535 ? 1 : one->packet_id + 1;
    to[id_at] = one->packet_id >> 8;
    to[id_at + 1] = one->packet_id;
  }
  one->sent += messages;
  sent += messages;
  if (!one->wants_out) flush(one);
}

static void acknowledge(client *one, int first, const uint8_t *packet_id) {
  memcpy(room(one, 4), (uint8_t[]){first, 2, packet_id[0], packet_id[1]}, 4);
}

static void delivered(const uint8_t *payload, uint64_t time) {
  uint64_t since;
  uint32_t number;
  memcpy(&since, payload, 8);
  memcpy(&number, payload + 8, 4);
  received++;
  if (measuring) {
    const uint64_t microseconds = time > since ? (time - since) / 1000 : 0;
    latencies[microseconds < SLOWEST ? microseconds : SLOWEST - 1]++;
  }
  if (number >= (uint32_t)publishers) fail("a message came from publisher %u", number);
  client *from = &publishing[number];
  if (++from->delivered % receivers() == 0) make_ready(from);
}

static void take(client *one, const uint8_t *bytes, const uint8_t *body, const uint8_t *end, uint64_t time) {
  switch (bytes[0] >> 4) {
    case PUBLISH: {
      const int level = bytes[0] >> 1 & 3;
      const uint8_t *at = body + 2 + (body[0] << 8 | body[1]);
      if (level > 0) acknowledge(one, level == 1 ? PUBACK << 4 : PUBREC << 4, at);
      if (end - at < size) fail("a payload is too short");
      delivered(end - size, time);
      break;
    }
    case PUBREC:
      acknowledge(one, PUBREL << 4 | 2, body);
      break;
    case PUBREL:
      acknowledge(one, PUBCOMP << 4, body);
      break;
    case PUBACK:
    case PUBCOMP:
      one->acknowledged++;
      make_ready(one);
      break;
    default:
      fail("connection %d got a packet of type %d, code %d", one->number, bytes[0] >> 4, end > body ? body[0] : 0);
  }
}

static void receive(client *one) {
  memcpy(input, one->part, one->part_length);
  const ssize_t got = recv(one->fd, input + one->part_length, sizeof input - one->part_length, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) fail("the broker closed connection %d", one->number);
  const uint8_t *at = input, *const end = input + one->part_length + got;
  const uint64_t time = now();
  while (end - at >= 2) {
    const uint8_t *body = at + 1;
    size_t length = 0;
    int shift = 0;
    bool whole = false;
    while (body < end && !whole) {
      length |= (size_t)(*body & 127) << shift;
      shift += 7;
      whole = !(*body++ & 128);
    }
    if (!whole || (size_t)(end - body) < length) break;
    take(one, at, body, body + length, time);
    at = body + length;
  }
  one->part_length = end - at;
  if (one->part_length > one->part_room) one->part = realloc(one->part, one->part_room = one->part_length + 4096);
  if (one->part_length > 0) memcpy(one->part, at, one->part_length);
  if (one->out_length > 0 && !one->wants_out) flush(one);
}

static void poll_for(uint64_t nanoseconds) {
  static struct epoll_event events[EVENTS];
  const struct timespec patience = {.tv_sec = 0, .tv_nsec = nanoseconds};
  const int happened = epoll_pwait2(poller, events, EVENTS, &patience, NULL);
  for (int i = 0; i < happened; i++) {
    client *one = events[i].data.ptr;
    if (events[i].events & EPOLLOUT) flush(one);
    if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(one);
  }
}

static void publish_what_is_free(void) {
  const int now_ready = ready_count;
  ready_count = 0;
  const uint64_t time = now();
  for (int i = 0; i < now_ready; i++) {
    client *one = ready[i];
    one->is_ready = false;
    const long free = window - in_flight(one);
    if (free > 0 && one->wants_out) make_ready(one);
    else if (free > 0) publish(one, free, time);
  }
}

/* Milliseconds. */
static double quantile(double share) {
  uint64_t all = 0, below = 0;
  for (int i = 0; i < SLOWEST; i++) all += latencies[i];
  for (int i = 0; i < SLOWEST; i++) {
    below += latencies[i];
    if (below > all * share) return i / 1000.0;
  }
  return -1;
}

static void forgive_all(void) {
  for (int i = 0; i < publishers; i++) {
    publishing[i].forgiven += in_flight(&publishing[i]);
    make_ready(&publishing[i]);
  }
}

static bool is_anything_in_flight(void) {
  for (int i = 0; i < publishers; i++)
    if (in_flight(&publishing[i]) > 0) return true;
  return false;
}

static void done(long counted, double took, double cpu) {
  say("{\"at\":\"done\",\"count\":%ld,\"seconds\":%.6f,\"p50\":%.3f,\"p99\":%.3f,\"lost\":%ld,\"loadCpuSeconds\":%.4f}",
      counted, took, quantile(0.5), quantile(0.99), lost, cpu);
}

static void topic_of(char *to, size_t length, int publisher) {
  if (is(shape, "fan-out")) snprintf(to, length, "tele/site1/all/cmd");
  else snprintf(to, length, "tele/site1/%s/%d/up", users[publisher % known], publisher);
}

/* Connection numbers: publishers from 0, then subscribers. */
static void open_all(void) {
  char topic[400];
  for (int i = 0; i < subscribers; i++) {
    client *one = &subscribing[i];
    one->number = publishers + i;
    enter(one);
    if (is(shape, "fan-in")) snprintf(topic, sizeof topic, "tele/site1/+/+/up");
    else topic_of(topic, sizeof topic, i);
    subscribe(one, topic);
    go_on_without_waiting(one);
  }
  for (int i = 0; i < publishers; i++) {
    client *one = &publishing[i];
    one->number = i;
    enter(one);
    go_on_without_waiting(one);
    topic_of(topic, sizeof topic, i);
    prepare_publish(one, topic);
    make_ready(one);
  }
}

static void run_load(void) {
  if (is(shape, "fan-out")) publishers = 1;
  if (is(shape, "fan-in")) subscribers = 1;
  publishing = calloc(publishers, sizeof *publishing);
  subscribing = calloc(subscribers, sizeof *subscribing);
  ready = calloc(publishers, sizeof *ready);
  open_all();
  const uint64_t start = now(), begin = start + warm * 1e9, end = begin + seconds * 1e9;
  uint64_t began = 0, progress = start;
  long received_before = 0, received_last = 0, due = 0;
  double cpu = 0;
  for (uint64_t time = start; time < end; time = now()) {
    if (!measuring && time >= begin) {
      say("{\"at\":\"begin\"}");
      measuring = true;
      began = now();
      received_before = received;
      cpu = own_cpu();
    }
    if (received != received_last) {
      received_last = received;
      progress = time;
    } else if (time - progress > STALL) {
      forgive_all();
      progress = time;
    }
    if (rate > 0) {
      /* Stamped with the time at which it should have left: being late is latency too. */
      for (; (time - start) * rate / 1e9 >= due + 1; due++)
        publish(&publishing[due % publishers], 1, start + (due + 1) * 1e9 / rate);
      const uint64_t next = start + (due + 1) * 1e9 / rate, later = now();
      poll_for(next > later ? next - later : 0);
    } else {
      publish_what_is_free();
      poll_for(ready_count > 0 ? 0 : 1000000);
    }
  }
  const double took = (now() - began) / 1e9;
  const long counted = received - received_before;
  cpu = own_cpu() - cpu;
  measuring = false;
  say("{\"at\":\"end\"}");
  /* What is on its way may arrive; what does not is lost. */
  for (uint64_t last = now(); is_anything_in_flight() && now() - last < STALL;) {
    const long before = received;
    poll_for(1000000);
    if (received != before) last = now();
  }
  lost = sent * receivers() - received;
  const uint8_t disconnect[] = {0xE0, 0};
  for (int i = 0; i < publishers; i++) send(publishing[i].fd, disconnect, 2, MSG_NOSIGNAL);
  for (int i = 0; i < subscribers; i++) send(subscribing[i].fd, disconnect, 2, MSG_NOSIGNAL);
  done(counted, took, cpu);
}

static void start_connect(client *one) {
  static int number;
  one->number = number++;
  one->fd = open_socket(one->number, false);
  one->since = now();
  one->is_open = false;
  watch(one, EPOLL_CTL_ADD, EPOLLOUT);
}

/* Returns whether a CONNACK has accepted. */
static bool go_on_connecting(client *one) {
  if (!one->is_open) {
    const packet question = connect_packet(one->number);
    if (send(one->fd, question.bytes, question.length, MSG_NOSIGNAL) != (ssize_t)question.length)
      fail("a connect failed: %s", strerror(errno));
    one->is_open = true;
    watch(one, EPOLL_CTL_MOD, EPOLLIN);
    return false;
  }
  uint8_t answer[256];
  const ssize_t got = recv(one->fd, answer, sizeof answer, 0);
  if (got < 0 && errno == EAGAIN) return false;
  const bool accepted = got >= 4 && answer[0] == CONNACK << 4 && answer[3] == 0;
  if (!accepted) lost++;
  else if (measuring) {
    const uint64_t microseconds = (now() - one->since) / 1000;
    latencies[microseconds < SLOWEST ? microseconds : SLOWEST - 1]++;
  }
  const uint8_t disconnect[] = {0xE0, 0};
  send(one->fd, disconnect, 2, MSG_NOSIGNAL);
  close(one->fd);
  start_connect(one);
  return accepted;
}

static void run_connects(void) {
  client *all = calloc(window, sizeof *all);
  static struct epoll_event events[EVENTS];
  for (int i = 0; i < window; i++) start_connect(&all[i]);
  const uint64_t begin = now() + warm * 1e9, end = begin + seconds * 1e9;
  uint64_t began = 0;
  long accepted = 0, before = 0;
  double cpu = 0;
  for (uint64_t time = now(); time < end; time = now()) {
    if (!measuring && time >= begin) {
      say("{\"at\":\"begin\"}");
      measuring = true;
      began = now();
      before = accepted;
      cpu = own_cpu();
    }
    const int happened = epoll_wait(poller, events, EVENTS, 10);
    for (int i = 0; i < happened; i++) accepted += go_on_connecting(events[i].data.ptr);
  }
  const double took = (now() - began) / 1e9;
  say("{\"at\":\"end\"}");
  done(accepted - before, took, own_cpu() - cpu);
}

static void run_idle(void) {
  client *all = calloc(count, sizeof *all);
  char filter[400];
  const uint64_t began = now();
  const double cpu = own_cpu();
  for (int i = 0; i < count; i++) {
    all[i].number = i;
    enter(&all[i]);
    snprintf(filter, sizeof filter, "tele/site1/%s/%d/down", users[i % known], i);
    subscribe(&all[i], filter);
    if (i + 1 != count / 2 && i + 1 != count) continue;
    say("{\"at\":\"%s\"}", i + 1 == count ? "all" : "half");
    if (getchar() == EOF) exit(1);
  }
  done(count, (now() - began) / 1e9, own_cpu() - cpu);
}

static void read_clients(void) {
  FILE *file = clients_file ? fopen(clients_file, "r") : NULL;
  if (!file) fail("--clients FILE cannot be read");
  char user[256], password[256];
  while (fscanf(file, "%255s %255s", user, password) == 2) {
    users = realloc(users, (known + 1) * sizeof *users);
    passwords = realloc(passwords, (known + 1) * sizeof *passwords);
    strcpy(users[known], user);
    strcpy(passwords[known++], password);
  }
  fclose(file);
  if (known == 0) fail("%s holds no clients", clients_file);
}

int main(int argc, char **argv) {
  static const struct option options[] = {
      {"clients", 1, 0, 'f'}, {"port", 1, 0, 'p'},    {"shape", 1, 0, 's'},      {"publishers", 1, 0, 'P'},
      {"subscribers", 1, 0, 'S'}, {"qos", 1, 0, 'q'}, {"window", 1, 0, 'w'},     {"rate", 1, 0, 'r'},
      {"warm", 1, 0, 'W'},    {"seconds", 1, 0, 't'}, {"persistent", 0, 0, 'd'}, {"properties", 0, 0, 'o'},
      {"size", 1, 0, 'z'},    {"count", 1, 0, 'n'},   {0}};
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) switch (option) {
      case 'f': clients_file = optarg; break;
      case 'p': port = atoi(optarg); break;
      case 's': shape = optarg; break;
      case 'P': publishers = atoi(optarg); break;
      case 'S': subscribers = atoi(optarg); break;
      case 'q': qos = atoi(optarg); break;
      case 'w': window = atoi(optarg); break;
      case 'r': rate = atof(optarg); break;
      case 'W': warm = atof(optarg); break;
      case 't': seconds = atof(optarg); break;
      case 'd': persistent = true; break;
      case 'o': properties = true; break;
      case 'z': size = atoi(optarg); break;
      case 'n': count = atoi(optarg); break;
      default: return 2;
    }
  if (size < STAMP || size > 1024) fail("--size is from %d to 1024", STAMP);
  if (persistent && properties) fail("--persistent is for MQTT 3.1.1, which has no session expiry");
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  read_clients();
  latencies = calloc(SLOWEST, sizeof *latencies);
  poller = epoll_create1(0);
  const char *mode = optind < argc ? argv[optind] : "";
  if (is(mode, "load")) run_load();
  else if (is(mode, "connects")) run_connects();
  else if (is(mode, "idle")) run_idle();
  else fail("the mode is load, connects or idle");
  return 0;
}
