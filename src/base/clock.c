/* Clocks. clock_gettime() cannot fail for these two clocks on Linux, so there is no error to
 * return. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#define NS_PER_S 1000000000ull

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts = {};

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_realtime_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

const char *clock_format_utc(uint64_t realtime_ns, char buf[static CLOCK_UTC_BYTES])
{
	time_t seconds = (time_t)(realtime_ns / NS_PER_S);
	unsigned int micros = (unsigned int)(realtime_ns % NS_PER_S / 1000);
	char date[24] = "";
	struct tm tm;

	/* 64 bits of nanoseconds end in the year 2554: four digits always suffice. */
	gmtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf, CLOCK_UTC_BYTES, "%.19s.%06uZ", date, micros);
	return buf;
}
