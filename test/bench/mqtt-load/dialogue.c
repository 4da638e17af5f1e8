/* One connection asks and waits for the answer, before what is measured begins. */
#include "load.h"

static void read_exactly(client *one, uint8_t *to, size_t length) {
  for (size_t had = 0; had < length;) {
    const ssize_t got = read_channel(one, to + had, length - had);
    if (got <= 0) fail("connection %d was closed before it was ready", one->number);
    had += got;
  }
}

/* Waits for one packet, short ones alone; returns its last byte, which is a reason code where that matters. */
static uint8_t ask(client *one, packet question, int answer) {
  if (write_channel(one, question.bytes, question.length) != (ssize_t)question.length)
    fail("connection %d was closed before it was ready", one->number);
  uint8_t bytes[128];
  read_exactly(one, bytes, 2);
  if (bytes[0] >> 4 != answer || bytes[1] > 100)
    fail("connection %d was answered with a packet %d", one->number, bytes[0] >> 4);
  read_exactly(one, bytes + 2, bytes[1]);
  return answer == CONNACK ? bytes[3] : bytes[1 + bytes[1]];
}

void enter(client *one) {
  open_channel(one, true);
  const int code = ask(one, connect_packet(one->number), CONNACK);
  if (code != 0) fail("connection %d was refused: %d", one->number, code);
}

void subscribe(client *one, const char *filter) {
  const int code = ask(one, subscribe_packet(filter), SUBACK);
  if (code > 2) fail("connection %d may not subscribe to %s: %d", one->number, filter, code);
}
