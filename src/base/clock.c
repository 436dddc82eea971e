/* Clocks. clock_gettime() cannot fail for these clocks on Linux, so there is no error to
 * return. */
#include "base/clock.h"

#include <errno.h>
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

uint64_t clock_boottime_ns(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

uint64_t clock_cpu_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
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

/* "Z" and "+02:00" to seconds. */
static int parse_offset(const char *text, long *ret)
{
	int sign = *text == '-' ? -1 : 1, end = 0;
	unsigned int hours, minutes;

	*ret = 0;
	if ((*text == 'Z' || *text == 'z') && !text[1])
		return 0;
	if ((*text != '+' && *text != '-') ||
	    sscanf(text + 1, "%2u:%2u%n", &hours, &minutes, &end) != 2 || end != 5 || text[6] ||
	    hours > 23 || minutes > 59)
		return -EINVAL;
	*ret = sign * (long)(hours * 3600 + minutes * 60);
	return 0;
}

int clock_parse_utc(const char *text, uint64_t *ret)
{
	uint64_t fraction_ns = 0, scale = NS_PER_S / 10;
	const char *rest;
	struct tm tm = {};
	long offset_s;
	time_t s;

	rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	if (!rest)
		return -EINVAL;
	if (*rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
			fraction_ns += (uint64_t)(*rest - '0') * scale;
	if (parse_offset(rest, &offset_s) < 0)
		return -EINVAL;
	s = timegm(&tm) - offset_s;
	if (s < 0 || s > UINT32_MAX)
		return -EINVAL;
	*ret = (uint64_t)s * NS_PER_S + fraction_ns;
	return 0;
}
