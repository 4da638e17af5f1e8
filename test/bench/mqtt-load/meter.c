/* Time, latencies and what is said to the parent. */
#include "load.h"
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

/* Microseconds that are told apart; what takes longer counts as this. */
#define SLOWEST (1 << 21)

bool measuring;
static uint32_t latencies[SLOWEST];

uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * NANOSECONDS + time.tv_nsec;
}

double own_cpu(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void say(const char *form, ...) {
  va_list arguments;
  va_start(arguments, form);
  vprintf(form, arguments);
  va_end(arguments);
  putchar('\n');
  fflush(stdout);
}

void note_latency(uint64_t nanoseconds) {
  const uint64_t microseconds = nanoseconds / 1000;
  latencies[microseconds < SLOWEST ? microseconds : SLOWEST - 1]++;
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

void say_done(long counted, double took, double cpu, long lost, const char *more) {
  say("{\"at\":\"done\",\"count\":%ld,\"seconds\":%.6f,\"p50\":%.3f,\"p99\":%.3f,\"lost\":%ld,\"loadCpuSeconds\":%.4f%s}",
      counted, took, quantile(0.5), quantile(0.99), lost, cpu, more);
}
