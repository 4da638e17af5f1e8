/* Connect, CONNECT, CONNACK, DISCONNECT, again and again; and connections that stay and do nothing. */
#include "load.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define EVENTS 512

static long refused;

static void start_connect(client *one) {
  static int number;
  one->number = number++;
  one->since = now();
  one->is_open = false;
  open_channel(one, false);
  watch(one, EPOLL_CTL_ADD, EPOLLOUT);
}

/* Returns whether a CONNACK has accepted. */
static bool go_on_connecting(client *one) {
  if (!one->is_open) {
    const int hands = shake_hands(one);
    if (hands < 0) fail("the handshake of connection %d failed", one->number);
    watch(one, EPOLL_CTL_MOD, EPOLLIN);
    if (hands == 0) return false;
    const packet question = connect_packet(one->number);
    if (write_channel(one, question.bytes, question.length) != (ssize_t)question.length)
      fail("a connect failed: %s", strerror(errno));
    one->is_open = true;
    return false;
  }
  uint8_t answer[256];
  const ssize_t got = read_channel(one, answer, sizeof answer);
  if (got < 0 && errno == EAGAIN) return false;
  const bool accepted = got >= 4 && answer[0] == CONNACK << 4 && answer[3] == 0;
  if (!accepted) refused++;
  else if (measuring) note_latency(now() - one->since);
  write_channel(one, DISCONNECT, 2);
  close_channel(one);
  start_connect(one);
  return accepted;
}

void run_connects(void) {
  client *all = calloc(given.window, sizeof *all);
  static struct epoll_event events[EVENTS];
  for (int i = 0; i < given.window; i++) start_connect(&all[i]);
  const uint64_t begin = now() + given.warm * 1e9, end = begin + given.seconds * 1e9;
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
  say_done(accepted - before, took, own_cpu() - cpu, refused, "");
}

void run_idle(void) {
  client *all = calloc(given.count, sizeof *all);
  char filter[400];
  const uint64_t began = now();
  const double cpu = own_cpu();
  for (int i = 0; i < given.count; i++) {
    all[i].number = i;
    enter(&all[i]);
    snprintf(filter, sizeof filter, "tele/site1/%s/%d/down", users[i % known], i);
    subscribe(&all[i], filter);
    if (i + 1 != given.count / 2 && i + 1 != given.count) continue;
    say("{\"at\":\"%s\"}", i + 1 == given.count ? "all" : "half");
    if (getchar() == EOF) exit(1);
  }
  say_done(given.count, (now() - began) / 1e9, own_cpu() - cpu, 0, "");
}
