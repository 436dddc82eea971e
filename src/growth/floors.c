/* A turn counts when the series went back by more than noise, the quantum and a third of its range.
 */
#include "growth/floors.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RANGE_SHARE 0.35  /* of the range: what a turn must go back */
#define NOISE_TIMES 5	  /* of the noise */
#define RISING_T 3.5	  /* slope over its standard error */
#define RISING_SHARE 0.25 /* of the amplitude: growth of the floor over the series */
#define PRIOR_TROUGHS 4
#define UNEVEN 0.03	 /* of the amplitude */
#define RANGE_POINTS 128 /* of which the range is taken */

static int by_value(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

static double median_of(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Between the means of the first and the last quarter. */
static double trend_of(const double *t, const double *v, size_t n)
{
	size_t part = n / 4;
	double time = 0, rise = 0;

	for (size_t i = 0; i < part; i++) {
		time += (t[n - 1 - i] - t[i]) / part;
		rise += (v[n - 1 - i] - v[i]) / part;
	}
	return rise / time;
}

/* Between the 3rd and the 97th percentile, without the trend. */
static double range_of(const double *t, const double *v, size_t n, double trend)
{
	double some[RANGE_POINTS];
	size_t count = n < RANGE_POINTS ? n : RANGE_POINTS;

	for (size_t i = 0; i < count; i++) {
		size_t at = i * (n - 1) / (count - 1);

		some[i] = v[at] - trend * (t[at] - t[0]);
	}
	qsort(some, count, sizeof(*some), by_value);
	return some[count - 1 - count * 3 / 100] - some[count * 3 / 100];
}

/* Heights are above the trend. */
struct zigzag {
	double trend, turn; /* turn: how far back it must go */
	size_t low, high;
	double lowest, highest;
	int going;		     /* 1: up, -1: down, 0: not known yet */
	double above[FLOORS_MAX];    /* of each trough: height of the peak before it */
	double fall[FLOORS_MAX];     /* the same of the values themselves */
	double before, value_before; /* height and value of the last peak */
	bool has_peak;
};

static void keep_trough(struct floors *f, struct zigzag *z, double t, double value)
{
	if (f->count == FLOORS_MAX) {
		f->count--;
		memmove(f->t, f->t + 1, f->count * sizeof(*f->t));
		memmove(f->value, f->value + 1, f->count * sizeof(*f->value));
		memmove(z->above, z->above + 1, f->count * sizeof(*z->above));
		memmove(z->fall, z->fall + 1, f->count * sizeof(*z->fall));
	}
	f->t[f->count] = t;
	f->value[f->count] = value;
	z->fall[f->count] = z->value_before - value;
	z->above[f->count++] = z->before - z->lowest;
}

static void mark_high(struct zigzag *z, size_t i, double height)
{
	z->high = i;
	z->highest = height;
}

static void mark_low(struct zigzag *z, size_t i, double height)
{
	z->low = i;
	z->lowest = height;
}

/* One more point; a trough is kept once the series has risen from it, if a peak was before it. */
static void step(struct zigzag *z, const double *t, const double *v, size_t i, struct floors *f)
{
	double height = v[i] - z->trend * (t[i] - t[0]);

	if (i == 0 || height > z->highest)
		mark_high(z, i, height);
	if (i == 0 || height < z->lowest)
		mark_low(z, i, height);
	if (z->going <= 0 && height - z->lowest > z->turn) {
		if (z->has_peak)
			keep_trough(f, z, t[z->low], v[z->low]);
		z->going = 1;
		mark_high(z, i, height);
	} else if (z->going >= 0 && z->highest - height > z->turn) {
		z->before = z->highest;
		z->value_before = v[z->high];
		z->has_peak = true;
		z->going = -1;
		mark_low(z, i, height);
	}
}

/* Few troughs say little about how far they scatter: noise and uneven teeth are taken as
 * PRIOR_TROUGHS more of them. */
static void line_through(struct floors *f, double noise)
{
	double n = f->count, tt = 0, tv = 0, usual, left;

	for (size_t i = 0; i < f->count; i++) {
		f->middle += f->t[i] / n;
		f->level += f->value[i] / n;
	}
	for (size_t i = 0; i < f->count; i++) {
		tt += (f->t[i] - f->middle) * (f->t[i] - f->middle);
		tv += (f->t[i] - f->middle) * (f->value[i] - f->level);
	}
	f->slope = tv / tt;
	usual = noise * noise + pow(UNEVEN * f->amplitude, 2);
	left = PRIOR_TROUGHS * usual;
	for (size_t i = 0; i < f->count; i++)
		left += pow(f->value[i] - f->level - f->slope * (f->t[i] - f->middle), 2);
	left /= n - 2 + PRIOR_TROUGHS;
	f->slope_error = sqrt(left / tt);
	f->level_error = sqrt(left / n);
}

static void describe(struct floors *f, const struct zigzag *z, double start, double end,
		     double noise)
{
	double some[FLOORS_MAX];

	for (size_t i = 0; i < f->count; i++)
		some[i] = z->above[i];
	f->amplitude = median_of(some, f->count);
	memcpy(some, z->fall, f->count * sizeof(*some));
	f->fall = median_of(some, f->count);
	for (size_t i = 0; i + 1 < f->count; i++)
		some[i] = f->t[i + 1] - f->t[i];
	f->period = median_of(some, f->count - 1);
	line_through(f, noise);
	f->rising = f->slope > RISING_T * f->slope_error &&
		    f->slope * (end - start) > RISING_SHARE * f->amplitude;
}

int floors_fit(const double *t, const double *v, size_t n, double noise, double quantum,
	       struct floors *ret)
{
	struct floors f = {};
	struct zigzag z = {};

	if (n < 8 || !(t[n - 1] > t[0]))
		return -EINVAL;
	z.trend = trend_of(t, v, n);
	z.turn = fmax(NOISE_TIMES * noise, RANGE_SHARE * range_of(t, v, n, z.trend));
	z.turn = fmax(z.turn, 1.5 * quantum);
	if (!(z.turn > 0) || !isfinite(z.turn))
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		step(&z, t, v, i, &f);
	if (f.count < 3 || !(f.t[f.count - 1] > f.t[0]))
		return -EINVAL;
	describe(&f, &z, t[0], t[n - 1], noise);
	if (!isfinite(f.slope) || !isfinite(f.slope_error) || !isfinite(f.level_error))
		return -EINVAL;
	*ret = f;
	return 0;
}
