/* The clocks and the one way to print a moment. Only app and collect read clocks. */
#pragma once
#include <stdint.h>

#define CLOCK_UTC_BYTES 28 /* "2025-01-31T23:59:59.123456Z" and its NUL */

/* Nanoseconds that never go back; their origin means nothing. */
uint64_t clock_monotonic_ns(void);

/* Since this machine was booted, suspended times included: what starts of processes are told in. */
uint64_t clock_boottime_ns(void);

/* CPU time of the calling thread, in nanoseconds. */
uint64_t clock_cpu_ns(void);

/* Nanoseconds since 1970 UTC; may jump when somebody sets the clock. */
uint64_t clock_realtime_ns(void);

/* RFC 3339 in UTC, rounded down to microseconds. Returns buf. */
const char *clock_format_utc(uint64_t realtime_ns, char buf[static CLOCK_UTC_BYTES]);

/*
 * RFC 3339, "2026-11-21T06:32:09.575887Z" or with an offset such as +02:00, as nanoseconds since
 * 1970. -EINVAL when it is none (NULL is none) or before 1970 or after 2106.
 */
int clock_parse_utc(const char *text, uint64_t *ret);
