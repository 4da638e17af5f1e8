/* Packets that are made once and sent often. */
#include "load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Of a load, only subscribers ask for a session that lasts; where one freezes, only that one. */
static bool keeps_session(int number) {
  if (!given.persistent) return false;
  return given.freezes ? will_freeze(number) : number >= given.publishers;
}

/* Whoever has a certificate shows nothing else. */
packet connect_packet(int number) {
  const int line = number % known;
  char id[300];
  snprintf(id, sizeof id, "%s/%d", users[line], number);
  packet body = {.length = 0};
  put_text(&body, "MQTT");
  put_byte(&body, given.properties ? 5 : 4);
  put_byte(&body, (given.certificates ? 0 : 0xC0) | (keeps_session(number) ? 0 : 2));
  put_uint16(&body, 0);
  if (given.properties) put_byte(&body, 0);
  put_text(&body, id);
  if (!given.certificates) {
    put_text(&body, users[line]);
    put_text(&body, passwords[line]);
  }
  return framed(CONNECT << 4, &body);
}

packet subscribe_packet(const char *filter) {
  packet body = {.length = 0};
  put_uint16(&body, 1);
  /* Subscription Identifier 7. */
  if (given.properties) put(&body, (uint8_t[]){2, 0x0B, 7}, 3);
  put_text(&body, filter);
  put_byte(&body, given.qos);
  return framed(SUBSCRIBE << 4 | 2, &body);
}

void prepare_publish(client *one, const char *topic) {
  packet body = {.length = 0};
  put_text(&body, topic);
  if (given.qos > 0) put_uint16(&body, 0);
  if (given.properties) {
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
  for (int i = 0; i < given.size; i++) put_byte(&body, 'x');
  memcpy(body.bytes + body.length - given.size + 8, &number, 4);
  one->publish = malloc(sizeof *one->publish);
  *one->publish = framed(PUBLISH << 4 | given.qos << 1, &body);
  one->stamp_at = one->publish->length - given.size;
}

/* It stands before the properties, if any, and the payload. */
size_t packet_id_at(const client *one) {
  const uint8_t *bytes = one->publish->bytes;
  size_t at = 1;
  while (bytes[at++] & 128) continue;
  return at + 2 + (bytes[at] << 8 | bytes[at + 1]);
}
