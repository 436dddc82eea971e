/* The table of severities, and its short form on the command line. */
#include "analyse/severity.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"

#define MB 1e6
#define KB 1e3

struct severity_cfg severity_defaults(void)
{
	/* Things are measured against the usual limit of 1024 descriptors. */
	return (struct severity_cfg){
		.medium = { 20 * MB, 100 * KB, 100, 1, 0.5 },
		.high = { 50 * MB, 500 * KB, 500, 10, 0.7 },
		.critical = { 100 * MB, 1 * MB, 5000, 100, 0.9 },
	};
}

static bool exceeds(const struct severity_limit *l, const struct severity_figures *f)
{
	return f->confidence >= l->sure &&
	       (f->bytes > l->bytes || f->bytes_per_s > l->bytes_per_s || f->count > l->things ||
		f->count_per_s > l->things_per_s);
}

/* What is large enough for a severity but not sure enough has the next one that it is sure for. */
enum severity severity_judge(const struct severity_cfg *cfg, const struct severity_figures *f)
{
	if (exceeds(&cfg->critical, f))
		return SEVERITY_CRITICAL;
	if (exceeds(&cfg->high, f))
		return SEVERITY_HIGH;
	return exceeds(&cfg->medium, f) ? SEVERITY_MEDIUM : SEVERITY_LOW;
}

/* "100M:1M" between two pointers. */
static int parse_limit(const char *text, size_t len, struct severity_limit *l)
{
	const char *colon = memchr(text, ':', len);
	char bytes[NUM_TEXT_BYTES] = "", rate[NUM_TEXT_BYTES] = "";
	size_t left = colon ? (size_t)(colon - text) : 0, right = colon ? len - left - 1 : 0;
	uint64_t a, b;

	if (!colon || left >= sizeof(bytes) || right >= sizeof(rate))
		return -EINVAL;
	memcpy(bytes, text, left);
	memcpy(rate, colon + 1, right);
	if (num_parse_bytes(bytes, &a) < 0 || num_parse_bytes(rate, &b) < 0)
		return -EINVAL;
	l->bytes = (double)a;
	l->bytes_per_s = (double)b;
	return 0;
}

static int parse_row(const char *text, size_t len, struct severity_cfg *cfg)
{
	const struct {
		const char *name;
		struct severity_limit *limit;
	} rows[] = { { "critical=", &cfg->critical },
		     { "high=", &cfg->high },
		     { "medium=", &cfg->medium } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = strlen(rows[i].name);

		if (len > n && strncmp(text, rows[i].name, n) == 0)
			return parse_limit(text + n, len - n, rows[i].limit);
	}
	return -EINVAL;
}

int severity_parse(const char *text, struct severity_cfg *cfg, struct err *err)
{
	struct severity_cfg c = *cfg;
	const char *comma = text;

	for (; comma; text = comma + 1) {
		comma = strchr(text, ',');
		if (parse_row(text, comma ? (size_t)(comma - text) : strlen(text), &c) < 0)
			return err_set(err, -EINVAL,
				       "--severity wants LEVEL=BYTES:BYTES_PER_SECOND, with a "
				       "level of critical, high or medium, such as "
				       "critical=100M:1M,high=50M:500k");
	}
	if (c.medium.bytes > c.high.bytes || c.high.bytes > c.critical.bytes ||
	    c.medium.bytes_per_s > c.high.bytes_per_s ||
	    c.high.bytes_per_s > c.critical.bytes_per_s)
		return err_set(err, -EINVAL,
			       "--severity: critical must be at least high, and high medium; the "
			       "defaults are critical=100MB:1MB,high=50MB:500kB,medium=20MB:100kB");
	*cfg = c;
	return 0;
}
