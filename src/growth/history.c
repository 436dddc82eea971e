/* One level only; the coarser ones are not there yet. */
#include "growth/history.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct history {
	double t[HISTORY_RING], v[HISTORY_RING];
	uint64_t count, refused;
};

int history_new(struct history **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void history_free(struct history *h)
{
	free(h);
}

void history_clear(struct history *h)
{
	h->count = 0;
}

int history_add(struct history *h, double t_s, double value)
{
	if (!isfinite(t_s) || !isfinite(value) ||
	    (h->count && t_s <= h->t[(h->count - 1) % HISTORY_RING])) {
		h->refused++;
		return -EINVAL;
	}
	h->t[h->count % HISTORY_RING] = t_s;
	h->v[h->count++ % HISTORY_RING] = value;
	return 0;
}

size_t history_level(const struct history *h, unsigned int level, double *t_s, double *value)
{
	size_t n = h->count < HISTORY_RING ? h->count : HISTORY_RING;

	if (level)
		return 0;
	for (size_t i = 0; i < n; i++) {
		t_s[i] = h->t[(h->count - n + i) % HISTORY_RING];
		value[i] = h->v[(h->count - n + i) % HISTORY_RING];
	}
	return n;
}

size_t history_whole(const struct history *h, double *t_s, double *value)
{
	return history_level(h, 0, t_s, value);
}

uint64_t history_count(const struct history *h)
{
	return h->count;
}

uint64_t history_refused(const struct history *h)
{
	return h->refused;
}

size_t history_bytes(const struct history *h)
{
	return sizeof(*h);
}
