/*
 * Load on an MQTT broker: raw sockets, epoll, prepared packets, one thread. `npm run bench -- mqtt` builds and runs it.
 *
 *   mqtt-load load --clients FILE --port N --shape fan-out|fan-in|pairs --publishers N --subscribers N --qos N
 *                  --window N | --rate N  --warm S --seconds S [--persistent] [--properties] [--size BYTES] [--freeze]
 *   mqtt-load connects --clients FILE --port N --window N --warm S --seconds S
 *   mqtt-load idle --clients FILE --port N --count N
 *   mqtt-load versions
 *
 * All take --tls, and --certificates FOLDER with a USER.pem for each user instead of passwords.
 * FILE has lines of "user password"; connection n takes line n modulo their number and the client id user/n.
 * The window is the number of messages of one publisher that are not yet delivered to all subscribers and acknowledged;
 * all that it allows goes out in one write. A rate is for all publishers together, one message in one write.
 * With --freeze one more subscriber comes, whose messages are not counted: it reads for S seconds, and for S more it does
 * not, with a small receive buffer from the start. What is measured is the second part; the first one is told beside it.
 * On stdout, one JSON object in a line: {"at":"begin"} and {"at":"end"} around the measured time, so that the parent reads
 * the broker's CPU time then, and at last {"at":"done", ...}. `idle` says {"at":"half"} and {"at":"all"} and goes on
 * after each when it reads a line.
 */
#include "load.h"
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#define LARGEST 4096

options given = {.shape = "pairs",
                 .publishers = 200,
                 .subscribers = 200,
                 .window = 20,
                 .size = 64,
                 .count = 1000,
                 .warm = 1,
                 .seconds = 2};
char (*users)[256], (*passwords)[256];
int known;

void fail(const char *form, ...) {
  va_list arguments;
  va_start(arguments, form);
  fputs("mqtt-load: ", stderr);
  vfprintf(stderr, form, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

bool is(const char *a, const char *b) { return strcmp(a, b) == 0; }
bool will_freeze(int number) { return given.freezes && number == given.publishers + given.subscribers; }

static void read_clients(void) {
  FILE *file = given.clients ? fopen(given.clients, "r") : NULL;
  if (!file) fail("--clients FILE cannot be read");
  char user[256], password[256];
  while (fscanf(file, "%255s %255s", user, password) == 2) {
    users = realloc(users, (known + 1) * sizeof *users);
    passwords = realloc(passwords, (known + 1) * sizeof *passwords);
    strcpy(users[known], user);
    strcpy(passwords[known++], password);
  }
  fclose(file);
  if (known == 0) fail("%s holds no clients", given.clients);
}

static void read_options(int argc, char **argv) {
  static const struct option names[] = {
      {"clients", 1, 0, 'f'},     {"certificates", 1, 0, 'x'}, {"port", 1, 0, 'p'},   {"shape", 1, 0, 's'},
      {"publishers", 1, 0, 'P'},  {"subscribers", 1, 0, 'S'},  {"qos", 1, 0, 'q'},    {"window", 1, 0, 'w'},
      {"rate", 1, 0, 'r'},        {"warm", 1, 0, 'W'},         {"seconds", 1, 0, 't'}, {"persistent", 0, 0, 'd'},
      {"properties", 0, 0, 'o'},  {"size", 1, 0, 'z'},         {"count", 1, 0, 'n'},  {"tls", 0, 0, 'l'},
      {"freeze", 0, 0, 'i'},      {0}};
  for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) switch (option) {
      case 'f': given.clients = optarg; break;
      case 'x': given.certificates = optarg; break;
      case 'p': given.port = atoi(optarg); break;
      case 's': given.shape = optarg; break;
      case 'P': given.publishers = atoi(optarg); break;
      case 'S': given.subscribers = atoi(optarg); break;
      case 'q': given.qos = atoi(optarg); break;
      case 'w': given.window = atoi(optarg); break;
      case 'r': given.rate = atof(optarg); break;
      case 'W': given.warm = atof(optarg); break;
      case 't': given.seconds = atof(optarg); break;
      case 'd': given.persistent = true; break;
      case 'o': given.properties = true; break;
      case 'z': given.size = atoi(optarg); break;
      case 'n': given.count = atoi(optarg); break;
      case 'l': given.tls = true; break;
      case 'i': given.freezes = true; break;
      default: exit(2);
    }
  if (given.size < STAMP || given.size > LARGEST) fail("--size is from %d to %d", STAMP, LARGEST);
  if (given.persistent && given.properties) fail("--persistent is for MQTT 3.1.1, which has no session expiry");
  if (given.certificates && !given.tls) fail("--certificates is for --tls");
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  const char *mode = optind < argc ? argv[optind] : "";
  if (is(mode, "versions")) {
    say("{\"openssl\":\"%s\"}", tls_version());
    return 0;
  }
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  read_clients();
  if (given.tls) prepare_tls();
  poller = epoll_create1(0);
  if (is(mode, "load")) run_load();
  else if (is(mode, "connects")) run_connects();
  else if (is(mode, "idle")) run_idle();
  else fail("the mode is load, connects, idle or versions");
  return 0;
}
