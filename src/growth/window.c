/*
 * Preparation of a window: which stretch, which points, blocks, outliers, scales.
 *
 * A single wild point must not decide, so runs of one or two that lie far from their neighbours
 * are replaced in y; level keeps them, since a spike is a pattern of its own.
 */
#include "growth/window.h"
#include "base/order.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <string.h>

#define TIME_MAX 1e12	  /* seconds; more is no time */
#define RANGE_LEAST 1e-90 /* less cannot be scaled up */
#define SPAN_MIN_S 1e-9
#define ENOUGH 12      /* points after a restart that are judged without what was before */
#define ROUNDING 1e-12 /* of a value: less is no step but rounding */
#define SAMPLE 256
#define BLOCK_SAMPLE 64 /* points of a block that its median is taken of */
#define OUTLIER 6	/* sigma from the median of five */
#define END_RANGE 3	/* ranges of its neighbours, for a point at the ends */
#define OUTLIER_RUN 2
#define OUTLIERS 0.05 /* share of points; more of them are no outliers */
#define STRETCHES 3   /* between restarts, from the last one, that are looked at */

/* Usable points of one stretch, in order. */
struct cursor {
	const struct shape_input *in;
	size_t i;
	double from, until; /* from <= time < until */
	double last;
};

static struct cursor cursor_new(const struct shape_input *in, double from, double until)
{
	return (struct cursor){ .in = in, .from = from, .until = until, .last = -INFINITY };
}

static bool cursor_next(struct cursor *c, double *t, double *v)
{
	while (c->i < c->in->n) {
		*t = c->in->t_s[c->i];
		*v = c->in->value[c->i++];
		/* a NaN fails every comparison */
		if (!(fabs(*t) <= TIME_MAX) || !(fabs(*v) <= SHAPE_VALUE_MAX) || !(*t > c->last))
			continue;
		c->last = *t;
		if (*t >= c->from && *t < c->until)
			return true;
	}
	return false;
}

static size_t count_points(const struct shape_input *in, double from, double until)
{
	struct cursor c = cursor_new(in, from, until);
	double t, v;
	size_t n = 0;

	while (cursor_next(&c, &t, &v))
		n++;
	return n;
}

static double last_restart_before(const struct shape_input *in, double until)
{
	double last = -INFINITY;

	for (size_t i = 0; in->restart_t_s && i < in->restart_count; i++)
		if (in->restart_t_s[i] < until && in->restart_t_s[i] > last)
			last = in->restart_t_s[i];
	return last;
}

/* The stretch after the last restart when it has enough points, else the longest of the last. */
static struct cursor choose_stretch(const struct shape_input *in, size_t *ret_n)
{
	double until = INFINITY, from = last_restart_before(in, until), best_from = from;
	double best_until = until;
	size_t n = count_points(in, from, until), best = n, newest = n;

	for (int k = 1; k < STRETCHES && isfinite(from); k++) {
		until = from;
		from = last_restart_before(in, until);
		n = count_points(in, from, until);
		if (newest >= ENOUGH || newest * 2 >= n || n <= best)
			continue;
		best = n;
		best_from = from;
		best_until = until;
	}
	*ret_n = best;
	return cursor_new(in, best_from, best_until);
}

static double spread(double *v, size_t n) /* standard deviation from the median distance */
{
	double middle;

	if (!n)
		return 0;
	middle = order_select(v, n, n / 2);
	for (size_t i = 0; i < n; i++)
		v[i] = fabs(v[i] - middle);
	return 1.4826 * order_select(v, n, n / 2);
}

static double least_above(double least, double size, double nothing)
{
	return size > nothing && size < least ? size : least;
}

/* What can be seen from one usable point to the next only. Of rounded values all steps are
 * multiples of the quantum, and so are differences between steps, which a steady rise does not
 * hide. */
static void look_at_steps(struct cursor c, struct window *w)
{
	double steps[SAMPLE], t, v, before, step = 0, last, quantum = INFINITY;
	size_t every = (w->raw + SAMPLE - 1) / SAMPLE, taken = 0, same = 0;

	if (!cursor_next(&c, &t, &before))
		return;
	for (size_t i = 0; cursor_next(&c, &t, &v); i++, before = v) {
		double nothing = ROUNDING * fmax(fabs(v), fabs(before));

		last = step;
		step = v - before;
		same += !step;
		quantum = least_above(quantum, fabs(step), nothing);
		if (i)
			quantum = least_above(quantum, fabs(step - last), nothing);
		if (i % every == 0 && taken < SAMPLE)
			steps[taken++] = step;
	}
	w->quantum = isfinite(quantum) ? quantum : 0;
	w->flat = same / (w->raw - 1.0);
	w->sigma_raw = spread(steps, taken) / M_SQRT2;
}

/* One point for each block: the middle time, the median value, the extremes. Also the span. */
static void fill_blocks(struct cursor *c, struct window *w)
{
	size_t size = (w->raw + WINDOW_POINTS - 1) / WINDOW_POINTS;
	size_t every = (size + BLOCK_SAMPLE - 1) / BLOCK_SAMPLE, left = w->raw;
	double value[BLOCK_SAMPLE], t = 0, v, first = 0;

	for (w->n = 0; left && w->n < WINDOW_POINTS; w->n++) {
		size_t m = size < left ? size : left, taken = 0;
		double high = -INFINITY, low = INFINITY;

		for (size_t i = 0; i < m && cursor_next(c, &t, &v); i++) {
			if (!i)
				first = t;
			if (!i && !w->n)
				w->start_s = t;
			if (i % every == 0)
				value[taken++] = v;
			high = fmax(high, v);
			low = fmin(low, v);
		}
		w->x[w->n] = first + (t - first) / 2;
		w->y[w->n] = order_select(value, taken, (taken - 1) / 2);
		w->high[w->n] = high;
		w->low[w->n] = low;
		left -= m;
	}
	w->span_s = t - w->start_s;
}

/* The median of the point and two on either side. At the ends, where those beside it may simply lie
 * on a steep slope, the point itself unless it is far from them by their own measure. */
static double median5(const double *y, size_t n, size_t i)
{
	size_t from = i < 2 ? 0 : i - 2, until = i + 3 > n ? n : i + 3, others = 0;
	double v[5], low = INFINITY, high = -INFINITY, middle;

	for (size_t k = from; k < until; k++) {
		v[others++] = y[k];
		low = k == i ? low : fmin(low, y[k]);
		high = k == i ? high : fmax(high, y[k]);
	}
	middle = order_select(v, others, others / 2);
	if (others < 5 && !(fabs(y[i] - middle) > END_RANGE * (high - low)))
		return y[i];
	return middle;
}

/* Where y lies far from its neighbours, in runs of at most OUTLIER_RUN; returns how many. */
static size_t find_outliers(const struct window *w, double *ret)
{
	size_t found = 0;

	for (size_t i = 0; i < w->n; i++)
		ret[i] = median5(w->level, w->n, i);
	for (size_t i = 0, run; i < w->n; i += run + 1) {
		for (run = 0; i + run < w->n; run++)
			if (!(fabs(w->level[i + run] - ret[i + run]) > OUTLIER * w->sigma))
				break;
		for (size_t k = i; k < i + run; k++)
			if (run > OUTLIER_RUN)
				ret[k] = w->level[k];
		if (run <= OUTLIER_RUN)
			found += run;
		if (i + run < w->n)
			ret[i + run] = w->level[i + run];
	}
	return found;
}

static void noise_of_blocks(struct window *w)
{
	double step[WINDOW_POINTS];

	for (size_t i = 0; i + 1 < w->n; i++)
		step[i] = w->level[i + 1] - w->level[i];
	w->sigma = fmax(spread(step, w->n - 1) / M_SQRT2, w->quantum / (2 * sqrt(12)));
}

static void range_of(const double *v, size_t n, double *low, double *high)
{
	*low = *high = v[0];
	for (size_t i = 1; i < n; i++) {
		*low = fmin(*low, v[i]);
		*high = fmax(*high, v[i]);
	}
}

static bool vary(const double *v, size_t n, double *low, double *high)
{
	range_of(v, n, low, high);
	return *high - *low > 4 * DBL_EPSILON * fmax(fabs(*low), fabs(*high)) &&
	       *high - *low > RANGE_LEAST;
}

/* Each block as far from its median as it went. */
static void take_extremes(struct window *w)
{
	for (size_t i = 0; i < w->n; i++)
		w->level[i] =
			w->high[i] - w->level[i] > w->level[i] - w->low[i] ? w->high[i] : w->low[i];
}

/* From the unit of the series to a range of 1. */
static void set_scale(struct window *w)
{
	double low, high;

	/* but for outliers, or points that the medians hide: then those are all there is */
	if (!vary(w->y, w->n, &low, &high)) {
		if (!vary(w->level, w->n, &low, &high))
			take_extremes(w);
		memcpy(w->y, w->level, sizeof(w->y));
		w->constant = !vary(w->y, w->n, &low, &high);
	}
	w->offset = low;
	w->scale = w->constant ? 1 : high - low;
	for (size_t i = 0; i < w->n; i++) {
		w->x[i] = (w->x[i] - w->start_s) / w->span_s;
		w->y[i] = (w->y[i] - w->offset) / w->scale;
		w->level[i] = (w->level[i] - w->offset) / w->scale;
		w->high[i] = (w->high[i] - w->offset) / w->scale;
		w->low[i] = (w->low[i] - w->offset) / w->scale;
	}
	w->sigma /= w->scale;
	w->sigma_raw = fmax(w->sigma_raw, w->quantum / (2 * sqrt(12))) / w->scale;
	w->quantum /= w->scale;
}

int window_prepare(const struct shape_input *in, struct window *ret)
{
	struct window w = {};
	double clean[WINDOW_POINTS];
	struct cursor c = choose_stretch(in, &w.raw);

	if (w.raw < SHAPE_POINTS_MIN)
		return -ENODATA;
	look_at_steps(c, &w);
	fill_blocks(&c, &w);
	if (!(w.span_s >= SPAN_MIN_S))
		return -ENODATA;
	for (size_t i = 0; i < w.n; i++)
		w.level[i] = w.y[i];
	noise_of_blocks(&w);
	if (find_outliers(&w, clean) <= fmax(2, OUTLIERS * w.n))
		for (size_t i = 0; i < w.n; i++)
			w.y[i] = clean[i];
	set_scale(&w);
	*ret = w;
	return 0;
}
