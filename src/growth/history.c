/* Rings of points; a full one gives medians of four to the next. */
#include "growth/history.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define RING_FIRST 8 /* points that a new ring holds; it doubles up to HISTORY_RING */

struct point {
	double t, v;
};

struct ring {
	struct point *points; /* owned */
	size_t room;	      /* a power of two, at most HISTORY_RING */
	uint64_t count;	      /* put in since it was made; the last `room` of them are there */
};

struct history {
	struct ring rings[HISTORY_LEVELS];
	uint64_t refused;
	unsigned int refused_row;	    /* since the last point that was added */
	double refused_first, refused_last; /* times */
	double shifted;
};

static struct point *at(const struct ring *r, uint64_t number)
{
	return &r->points[number & (HISTORY_RING - 1)];
}

static size_t held(const struct ring *r)
{
	return r->count < HISTORY_RING ? r->count : HISTORY_RING;
}

static int make_room(struct ring *r)
{
	size_t room = r->room ? 2 * r->room : RING_FIRST;
	struct point *points;

	if (r->count < r->room || r->room == HISTORY_RING)
		return 0;
	points = realloc(r->points, room * sizeof(*points));
	if (!points)
		return -ENOMEM;
	r->points = points;
	r->room = room;
	return 0;
}

static void sort_two(double *a, double *b)
{
	if (*a > *b) {
		double larger = *a;

		*a = *b;
		*b = larger;
	}
}

/* Points first .. first + 3. */
static struct point median_of_four(const struct ring *r, uint64_t first)
{
	const struct point *p[4] = { at(r, first), at(r, first + 1), at(r, first + 2),
				     at(r, first + 3) };
	double v[4] = { p[0]->v, p[1]->v, p[2]->v, p[3]->v };

	sort_two(&v[0], &v[1]);
	sort_two(&v[2], &v[3]);
	sort_two(&v[0], &v[2]); /* v[0] is the smallest, v[3] the largest */
	sort_two(&v[1], &v[3]);
	return (struct point){ (p[0]->t + p[1]->t + p[2]->t + p[3]->t) / 4, (v[1] + v[2]) / 2 };
}

static int put(struct ring *r, struct point p)
{
	int err = make_room(r);

	if (err)
		return err;
	*at(r, r->count++) = p;
	return 0;
}

/* All that a full ring holds. */
static int fill_from(struct ring *coarse, const struct ring *fine)
{
	for (uint64_t i = fine->count - HISTORY_RING; i < fine->count; i += 4) {
		int err = put(coarse, median_of_four(fine, i));

		if (err) {
			coarse->count = 0; /* again with the next four */
			return err;
		}
	}
	return 0;
}

/* After a point came to the ring of `level`: the coarser ones. */
static int coarsen(struct history *h, unsigned int level)
{
	for (; level + 1 < HISTORY_LEVELS; level++) {
		struct ring *fine = &h->rings[level], *coarse = &h->rings[level + 1];
		int err;

		if (fine->count < HISTORY_RING || fine->count % 4)
			return 0;
		err = coarse->count ? put(coarse, median_of_four(fine, fine->count - 4))
				    : fill_from(coarse, fine);
		if (err)
			return err;
	}
	return 0;
}

int history_new(struct history **ret)
{
	struct history *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	*ret = h;
	return 0;
}

void history_free(struct history *h)
{
	if (!h)
		return;
	for (unsigned int i = 0; i < HISTORY_LEVELS; i++)
		free(h->rings[i].points);
	free(h);
}

void history_clear(struct history *h)
{
	for (unsigned int i = 0; i < HISTORY_LEVELS; i++) {
		free(h->rings[i].points);
		h->rings[i] = (struct ring){};
	}
	h->refused_row = 0;
}

static void shift(struct history *h, double seconds)
{
	for (unsigned int i = 0; i < HISTORY_LEVELS; i++)
		for (size_t k = 0; k < held(&h->rings[i]); k++)
			h->rings[i].points[k].t += seconds;
	h->shifted += seconds;
}

/* A time that does not come after the last one. True: the clock was set back; go on from here. */
static bool clock_set_back(struct history *h, double t_s)
{
	double last = at(&h->rings[0], h->rings[0].count - 1)->t, spacing;

	if (t_s < last && h->refused_row && t_s > h->refused_last) {
		h->refused_row++;
	} else {
		h->refused_row = t_s < last;
		h->refused_first = t_s;
	}
	h->refused_last = t_s;
	if (h->refused_row < HISTORY_PATIENCE)
		return false;
	spacing = (t_s - h->refused_first) / (HISTORY_PATIENCE - 1);
	shift(h, t_s - spacing - last);
	return at(&h->rings[0], h->rings[0].count - 1)->t < t_s;
}

int history_add(struct history *h, double t_s, double value)
{
	struct ring *raw = &h->rings[0];
	int r;

	if (!(fabs(t_s) <= HISTORY_LARGEST) || !(fabs(value) <= HISTORY_LARGEST)) {
		h->refused++;
		return -EINVAL;
	}
	if (raw->count && t_s <= at(raw, raw->count - 1)->t && !clock_set_back(h, t_s)) {
		h->refused++;
		return -EINVAL;
	}
	r = put(raw, (struct point){ t_s, value });
	if (r)
		return r;
	h->refused_row = 0;
	return coarsen(h, 0);
}

static size_t newest_of(const struct ring *r, size_t most, double *t_s, double *value)
{
	size_t n = held(r) < most ? held(r) : most;

	for (size_t i = 0; i < n; i++) {
		const struct point *p = at(r, r->count - n + i);

		t_s[i] = p->t;
		value[i] = p->v;
	}
	return n;
}

size_t history_level(const struct history *h, unsigned int level, double *t_s, double *value)
{
	return level < HISTORY_LEVELS ? newest_of(&h->rings[level], HISTORY_RING, t_s, value) : 0;
}

size_t history_last(const struct history *h, size_t n, double *t_s, double *value)
{
	return newest_of(&h->rings[0], n, t_s, value);
}

unsigned int history_whole_level(const struct history *h)
{
	unsigned int level = 0;

	while (level + 1 < HISTORY_LEVELS && h->rings[level].count > HISTORY_RING &&
	       h->rings[level + 1].count)
		level++;
	return level;
}

size_t history_whole(const struct history *h, double *t_s, double *value)
{
	unsigned int level = history_whole_level(h);
	size_t n = history_level(h, level, t_s, value);
	const struct point *newest;

	if (level == 0)
		return n;
	if (n == HISTORY_RING) { /* the oldest two become one */
		value[1] = (value[0] + value[1]) / 2;
		for (size_t i = 1; i < n; i++) {
			t_s[i - 1] = i == 1 ? t_s[0] : t_s[i];
			value[i - 1] = value[i];
		}
		n--;
	}
	newest = at(&h->rings[0], h->rings[0].count - 1);
	if (newest->t > t_s[n - 1]) {
		t_s[n] = newest->t;
		value[n++] = newest->v;
	}
	return n;
}

uint64_t history_count(const struct history *h)
{
	return h->rings[0].count;
}

uint64_t history_refused(const struct history *h)
{
	return h->refused;
}

double history_shifted(const struct history *h)
{
	return h->shifted;
}

size_t history_bytes(const struct history *h)
{
	size_t bytes = sizeof(*h);

	for (unsigned int i = 0; i < HISTORY_LEVELS; i++)
		bytes += h->rings[i].room * sizeof(struct point);
	return bytes;
}
