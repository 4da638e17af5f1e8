/* Messages that go through the broker: closed loop (a window) or open (a rate). */
#include "load.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define READ_BYTES (1 << 18)
#define EVENTS 512
/* Without progress for so long, what is in flight counts as lost. */
#define STALL (2 * NANOSECONDS)
/* How long the frozen one may take, at last, to read what had been sent to it. */
#define THAW_SECONDS 1

/* What the others got in one part of the time. */
typedef struct {
  long received;
  double seconds;
  /* Nanoseconds that one of them waited for a message, at most. */
  uint64_t silence;
} part;

static client *publishing, *subscribing, *frozen, **ready;
static int ready_count;
static long received, sent;
static uint64_t silence;
static uint8_t input[READ_BYTES];

static int receivers(void) { return is(given.shape, "fan-out") ? given.subscribers : 1; }

/* Sending */

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
    const ssize_t taken = write_channel(one, one->out + one->out_sent, one->out_length - one->out_sent);
    if (taken <= 0 && errno != EAGAIN) fail("connection %d: %s", one->number, strerror(errno));
    if (taken <= 0) {
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

static long in_flight(const client *one) {
  const long delivered = one->delivered / receivers();
  const long settled = given.qos > 0 && one->acknowledged < delivered ? one->acknowledged : delivered;
  return one->sent - settled - one->forgiven;
}

static void make_ready(client *one) {
  if (one->is_ready || given.rate > 0) return;
  one->is_ready = true;
  ready[ready_count++] = one;
}

static void publish(client *one, int messages, uint64_t time) {
  const size_t length = one->publish->length;
  uint8_t *to = room(one, length * messages);
  const size_t id_at = given.qos > 0 ? packet_id_at(one) : 0;
  for (int i = 0; i < messages; i++, to += length) {
    memcpy(to, one->publish->bytes, length);
    memcpy(to + one->stamp_at, &time, sizeof time);
    if (given.qos == 0) continue;
    one->packet_id = one->packet_id == 65535 ? 1 : one->packet_id + 1;
    to[id_at] = one->packet_id >> 8;
    to[id_at + 1] = one->packet_id;
  }
  one->sent += messages;
  sent += messages;
  if (!one->wants_out) flush(one);
}

static void publish_what_is_free(void) {
  const int now_ready = ready_count;
  ready_count = 0;
  const uint64_t time = now();
  for (int i = 0; i < now_ready; i++) {
    client *one = ready[i];
    one->is_ready = false;
    const long free = given.window - in_flight(one);
    if (free > 0 && one->wants_out) make_ready(one);
    else if (free > 0) publish(one, free, time);
  }
}

/* Receiving */

static void acknowledge(client *one, int first, const uint8_t *packet_id) {
  memcpy(room(one, 4), (uint8_t[]){first, 2, packet_id[0], packet_id[1]}, 4);
}

static void hear(client *one, uint64_t time) {
  if (time - one->heard > silence) silence = time - one->heard;
  one->heard = time;
}

static void delivered(client *to, const uint8_t *payload, uint64_t time) {
  if (to == frozen) return;
  uint64_t since;
  uint32_t number;
  memcpy(&since, payload, 8);
  memcpy(&number, payload + 8, 4);
  received++;
  if (measuring) note_latency(time > since ? time - since : 0);
  if (given.freezes) hear(to, time);
  if (number >= (uint32_t)given.publishers) fail("a message came from publisher %u", number);
  client *from = &publishing[number];
  if (++from->delivered % receivers() == 0) make_ready(from);
}

static void take(client *one, const uint8_t *bytes, const uint8_t *body, const uint8_t *end, uint64_t time) {
  switch (bytes[0] >> 4) {
    case PUBLISH: {
      const int level = bytes[0] >> 1 & 3;
      const uint8_t *at = body + 2 + (body[0] << 8 | body[1]);
      if (level > 0) acknowledge(one, level == 1 ? PUBACK << 4 : PUBREC << 4, at);
      if (end - at < given.size) fail("a payload is too short");
      delivered(one, end - given.size, time);
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
  const ssize_t got = read_channel(one, input + one->part_length, sizeof input - one->part_length);
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
  if (has_more(one)) receive(one);
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

/* What did not come */

static void forgive_all(void) {
  for (int i = 0; i < given.publishers; i++) {
    publishing[i].forgiven += in_flight(&publishing[i]);
    make_ready(&publishing[i]);
  }
}

static bool is_anything_in_flight(void) {
  for (int i = 0; i < given.publishers; i++)
    if (in_flight(&publishing[i]) > 0) return true;
  return false;
}

/* What is on its way may arrive; what does not is lost. */
static long lost_at_last(void) {
  for (uint64_t last = now(); is_anything_in_flight() && now() - last < STALL;) {
    const long before = received;
    poll_for(1000000);
    if (received != before) last = now();
  }
  return sent * receivers() - received;
}

/* From here to there */

static void topic_of(char *to, size_t length, int publisher) {
  if (is(given.shape, "fan-out")) snprintf(to, length, "tele/site1/all/cmd");
  else snprintf(to, length, "tele/site1/%s/%d/up", users[publisher % known], publisher);
}

/* Connection numbers: publishers from 0, then subscribers, the frozen one last. */
static void open_all(void) {
  char topic[400];
  const int all = given.subscribers + (given.freezes ? 1 : 0);
  for (int i = 0; i < all; i++) {
    client *one = &subscribing[i];
    one->number = given.publishers + i;
    enter(one);
    if (is(given.shape, "fan-in")) snprintf(topic, sizeof topic, "tele/site1/+/+/up");
    else topic_of(topic, sizeof topic, i);
    subscribe(one, topic);
    stop_waiting(one);
    watch(one, EPOLL_CTL_ADD, EPOLLIN);
  }
  if (given.freezes) frozen = &subscribing[given.subscribers];
  for (int i = 0; i < given.publishers; i++) {
    client *one = &publishing[i];
    one->number = i;
    enter(one);
    stop_waiting(one);
    watch(one, EPOLL_CTL_ADD, EPOLLIN);
    topic_of(topic, sizeof topic, i);
    prepare_publish(one, topic);
    make_ready(one);
  }
}

static void go_on_until(uint64_t end) {
  static uint64_t start, progress;
  static long received_last, due;
  if (start == 0) start = progress = now();
  for (uint64_t time = now(); time < end; time = now()) {
    if (received != received_last) {
      received_last = received;
      progress = time;
    } else if (time - progress > STALL) {
      forgive_all();
      progress = time;
    }
    if (given.rate > 0) {
      /* Stamped with the time at which it should have left: being late is latency too. */
      for (; (time - start) * given.rate / 1e9 >= due + 1; due++)
        publish(&publishing[due % given.publishers], 1, start + (due + 1) * 1e9 / given.rate);
      const uint64_t next = start + (due + 1) * 1e9 / given.rate, later = now();
      poll_for(next > later ? next - later : 0);
    } else {
      publish_what_is_free();
      poll_for(ready_count > 0 ? 0 : 1000000);
    }
  }
}

static part watch_for(double seconds) {
  const uint64_t began = now();
  const long before = received;
  for (int i = 0; i < given.subscribers; i++) subscribing[i].heard = began;
  silence = 0;
  go_on_until(began + seconds * 1e9);
  const uint64_t ended = now();
  for (int i = 0; given.freezes && i < given.subscribers; i++) hear(&subscribing[i], ended);
  return (part){.received = received - before, .seconds = (ended - began) / 1e9, .silence = silence};
}

static void freeze(void) { watch(frozen, EPOLL_CTL_DEL, 0); }

/* Reads what had been sent to it, and more: whether the end of the connection comes after that. */
static bool is_closed_when_thawed(void) {
  for (const uint64_t end = now() + THAW_SECONDS * NANOSECONDS; now() < end;) {
    const ssize_t got = recv(frozen->fd, input, sizeof input, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return true;
    if (got < 0) poll_for(1000000);
  }
  return false;
}

/* So that the broker begins the next run without what waits for it. */
static void forget_session(void) {
  close_channel(frozen);
  given.persistent = false;
  enter(frozen);
  write_channel(frozen, DISCONNECT, 2);
  close_channel(frozen);
}

void run_load(void) {
  if (is(given.shape, "fan-out")) given.publishers = 1;
  if (is(given.shape, "fan-in")) given.subscribers = 1;
  publishing = calloc(given.publishers, sizeof *publishing);
  subscribing = calloc(given.subscribers + 1, sizeof *subscribing);
  ready = calloc(given.publishers, sizeof *ready);
  open_all();
  char more[200] = "";
  go_on_until(now() + given.warm * 1e9);
  part calm = {0};
  if (given.freezes) {
    calm = watch_for(given.seconds);
    freeze();
  }
  say("{\"at\":\"begin\"}");
  measuring = true;
  double cpu = own_cpu();
  const part measured = watch_for(given.seconds);
  cpu = own_cpu() - cpu;
  measuring = false;
  say("{\"at\":\"end\"}");
  const long lost = lost_at_last();
  if (given.freezes)
    snprintf(more, sizeof more, ",\"frozen\":{\"calmPerSecond\":%.1f,\"calmSilence\":%.3f,\"silence\":%.3f,\"closed\":%s}",
             calm.received / calm.seconds, calm.silence / 1e6, measured.silence / 1e6,
             is_closed_when_thawed() ? "true" : "false");
  for (int i = 0; i < given.publishers; i++) write_channel(&publishing[i], DISCONNECT, 2);
  for (int i = 0; i < given.subscribers; i++) write_channel(&subscribing[i], DISCONNECT, 2);
  say_done(measured.received, measured.seconds, cpu, lost, more);
  if (given.freezes && given.persistent) forget_session();
}
