/*
 * Numbers to and from text. Units are tables; strtod() only ever sees digits and one dot, so it
 * reads no sign, no hexadecimal, no "inf". The C locale is assumed: memtrace never sets another.
 */
#include "base/num.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define UNKNOWN_TEXT "n/a"
#define PREFIXES (sizeof(prefixes) / sizeof(prefixes[0]))

struct unit {
	const char *name;
	double factor;
};

static const struct unit byte_units[] = {
	{ "", 1 },	 { "b", 1 },	    { "k", 0x1p10 },   { "kib", 0x1p10 }, { "kb", 1e3 },
	{ "m", 0x1p20 }, { "mib", 0x1p20 }, { "mb", 1e6 },     { "g", 0x1p30 },	  { "gib", 0x1p30 },
	{ "gb", 1e9 },	 { "t", 0x1p40 },   { "tib", 0x1p40 }, { "tb", 1e12 },	  {},
};

static const struct unit time_units[] = {
	{ "", 1 },   { "us", 1e-6 }, { "ms", 1e-3 }, { "s", 1 },
	{ "m", 60 }, { "h", 3600 },  { "d", 86400 }, {},
};

static const struct unit percent_units[] = { { "", 1 }, { "%", 1 }, {} };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int num_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	bool fits = true;
	const char *p;

	if (!*text)
		return -EINVAL;
	for (p = text; *p; p++) {
		if (!is_digit(*p))
			return -EINVAL;
		/* On to the end even when it does not fit: a wrong form is the better news. */
		fits = fits && !__builtin_mul_overflow(value, 10, &value) &&
		       !__builtin_add_overflow(value, (uint64_t)(*p - '0'), &value);
	}
	if (!fits || value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

/* Length of "12", "12.5" or ".5" at the start of text; 0 when there is no such thing. */
static size_t decimal_length(const char *text)
{
	size_t whole = strspn(text, "0123456789"), fraction;

	if (text[whole] != '.')
		return whole;
	fraction = strspn(text + whole + 1, "0123456789");
	return fraction ? whole + 1 + fraction : 0;
}

static int parse_decimal(const char *text, const struct unit *units, double *ret)
{
	size_t len = decimal_length(text);
	double value;
	char *end;

	if (!len)
		return -EINVAL;
	while (units->name && strcasecmp(text + len, units->name))
		units++;
	if (!units->name)
		return -EINVAL;
	value = strtod(text, &end) * units->factor;
	if (end != text + len)
		return -EINVAL;
	if (!isfinite(value))
		return -ERANGE;
	*ret = value;
	return 0;
}

int num_parse_bytes(const char *text, uint64_t *ret)
{
	double bytes;
	int r;

	r = parse_decimal(text, byte_units, &bytes);
	if (r < 0)
		return r;
	bytes = round(bytes);
	if (bytes >= 0x1p64)
		return -ERANGE;
	*ret = (uint64_t)bytes;
	return 0;
}

int num_parse_seconds(const char *text, double *ret)
{
	return parse_decimal(text, time_units, ret);
}

int num_parse_percent(const char *text, double *ret)
{
	return parse_decimal(text, percent_units, ret);
}

static const char *const prefixes[] = { "", "k", "M", "G", "T", "P", "E", "Z", "Y" };

/* Scales by 1000 until at most three digits stand before the dot; rounding included. */
static void format_scaled(double value, const char *unit, const char *sign, char *buf)
{
	size_t i = 0;

	while (i + 1 < PREFIXES && value >= 999.5) {
		value /= 1000;
		i++;
	}
	/* 99.95 would print as 100.0, one digit more than its neighbours. */
	snprintf(buf, NUM_TEXT_BYTES, "%s%.*f %s%s", sign, value < 99.95 && i, value, prefixes[i],
		 unit);
}

static const char *num_unknown(char *buf)
{
	snprintf(buf, NUM_TEXT_BYTES, "%s", UNKNOWN_TEXT);
	return buf;
}

const char *num_format_bytes(uint64_t bytes, char buf[static NUM_TEXT_BYTES])
{
	if (bytes == UINT64_MAX)
		num_unknown(buf);
	else
		format_scaled((double)bytes, "B", "", buf);
	return buf;
}

const char *num_format_rate(double bytes_per_s, char buf[static NUM_TEXT_BYTES])
{
	const char *sign = bytes_per_s < 0 ? "-" : "+";
	double size = fabs(bytes_per_s);

	if (!isfinite(size) || size >= 1e27)
		num_unknown(buf);
	else if (size < 0.05)
		snprintf(buf, NUM_TEXT_BYTES, "0 B/s");
	else if (size < 9.95)
		snprintf(buf, NUM_TEXT_BYTES, "%s%.1f B/s", sign, size);
	else
		format_scaled(size, "B/s", sign, buf);
	return buf;
}

const char *num_format_count(uint64_t count, char buf[static NUM_TEXT_BYTES])
{
	if (count == UINT64_MAX)
		num_unknown(buf);
	else if (count < 1000)
		snprintf(buf, NUM_TEXT_BYTES, "%" PRIu64, count);
	else if (count < 1000000)
		snprintf(buf, NUM_TEXT_BYTES, "%" PRIu64 ",%03" PRIu64, count / 1000, count % 1000);
	else
		format_scaled((double)count, "", "", buf);
	return buf;
}

const char *num_format_seconds(double seconds, char buf[static NUM_TEXT_BYTES])
{
	uint64_t s;

	if (!isfinite(seconds) || seconds < 0 || seconds >= 1e15)
		return num_unknown(buf);
	s = (uint64_t)round(seconds);
	if (seconds < 9.95 && seconds != floor(seconds))
		snprintf(buf, NUM_TEXT_BYTES, seconds < 0.995 ? "%.2f s" : "%.1f s", seconds);
	else if (s < 60)
		snprintf(buf, NUM_TEXT_BYTES, "%" PRIu64 " s", s);
	else if (s < 3600)
		snprintf(buf, NUM_TEXT_BYTES, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, NUM_TEXT_BYTES, "%" PRIu64 " h %" PRIu64 " min", s / 3600,
			 s % 3600 / 60);
	else
		snprintf(buf, NUM_TEXT_BYTES, "%" PRIu64 " d %" PRIu64 " h", s / 86400,
			 s % 86400 / 3600);
	return buf;
}
