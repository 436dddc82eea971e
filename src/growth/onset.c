#include "growth/onset.h"

#include <math.h>

#define CLIP 3.0      /* sigmas: what a single point may say at most */
#define LEAST_RUN 6   /* points of a rise: fewer may be a pulse */
#define PAST_LEAST 24 /* points that make a level to compare with */
#define FORGET 1024.0 /* points over which the past is averaged */
#define MARGIN 1.4
#define MEMORY_MAX 0.97
#define POWER_EVERY 4 /* points */

static const size_t sizes[ONSET_SIZES] = { 8, 16, 24, 40, 63 };

void onset_start(struct onset *o)
{
	*o = (struct onset){};
}

static double clip(double v, double most)
{
	return fmin(fmax(v, -most), most);
}

/* Lag-1 correlation: corrected for the bias of a short past, with two standard errors on top. */
static double memory_of(const struct onset *o)
{
	double n = fmin((double)o->learned, FORGET), rho;

	if (!(o->variance > 0))
		return 0;
	rho = o->covariance / o->variance;
	rho += (1 + 3 * rho) / n + 2 * sqrt(fmax(1 - rho * rho, 0) / n);
	return fmin(fmax(rho, 0), MEMORY_MAX);
}

/* The first points make the scale; later ones count at most CLIP sigmas. */
static void learn(struct onset *o, double v, double before)
{
	double share = 1 / fmin((double)++o->learned, FORGET), sigma, d, last, e;

	if (o->learned == 1)
		o->mean = v;
	sigma = sqrt(o->variance);
	d = v - o->mean;
	last = before - o->mean;
	if (o->learned > PAST_LEAST) {
		d = clip(d, 4 * CLIP * sigma);
		last = clip(last, 4 * CLIP * sigma);
	}
	o->mean += share * d;
	if (o->learned < 2)
		return;
	o->variance += share * (d * d - o->variance);
	o->covariance += share * (d * last - o->covariance);
	e = d - (o->variance > 0 ? clip(o->covariance / o->variance, MEMORY_MAX) : 0) * last;
	if (o->learned > PAST_LEAST)
		e = clip(e, CLIP * sqrt(o->noise2));
	o->noise2 += share * (e * e - o->noise2);
}

/*
 * Twice the logarithm of the ratio that raises an alarm, where the noise's size is known only from
 * n points. MARGIN: for the many starts that are tried, and for what AR(1) does not say of a
 * memory.
 */
static double bound_of(double alarm_points, double n)
{
	return n * expm1(fmin(2 * MARGIN * log(alarm_points) / n, 100));
}

/* Square of the statistic for a rise over the newest k points, given sums over them. */
static double square(double sum, double ramp, double k, double rho, double past)
{
	double a = 1 - rho;
	double norm = a * a * k * (k + 1) * (2 * k + 1) / 6 + a * rho * k * (k + 1) + rho * rho * k;
	double all = a * k * (k + 1) / 2 + rho * k;
	double t = a * ramp + rho * sum;

	return t > 0 ? t * t / (norm + a * a * all * all / past) : 0;
}

struct scale {
	double rho, level, unit, past; /* unit: 1 / size of the noise */
};

static struct scale scale_of(const struct onset *o)
{
	struct scale s = { .rho = memory_of(o), .past = fmin((double)o->learned, FORGET) };

	s.level = (1 - s.rho) * o->mean;
	s.unit = fmax(sqrt(o->noise2) / 0.985, 2 * o->quantum * (1 - s.rho));
	s.unit = fmax(s.unit, 1e-12 * fabs(o->mean));
	s.unit = s.unit > 0 ? 1 / s.unit : 0;
	return s;
}

static double residual(const struct scale *s, const double *v)
{
	return clip((v[0] - s->rho * v[-1] - s->level) * s->unit, CLIP);
}

/* What the statistic was ONSET_WINDOW points ago, at some sizes. end: that point. */
static void learn_power(struct onset *o, const struct scale *s, const double *end, size_t n)
{
	double sum = 0, ramp = 0;

	for (size_t k = 1, i = 0; k <= n && i < ONSET_SIZES; k++) {
		sum += residual(s, end - k + 1);
		ramp += sum;
		if (k != sizes[i])
			continue;
		o->powers[i]++;
		o->power[i] += (square(sum, ramp, (double)k, s->rho, s->past) - o->power[i]) /
			       fmin((double)o->powers[i], FORGET);
		i++;
	}
}

/* A one-sided square is half of the two-sided one in the mean. */
static double power_at(const struct onset *o, size_t k)
{
	double most = 1;

	for (size_t i = 0; i < ONSET_SIZES && (i == 0 || sizes[i - 1] < k); i++)
		if (POWER_EVERY * o->powers[i] > 4 * sizes[i])
			most = fmax(most, 2 * o->power[i]);
	return most;
}

size_t onset_add(struct onset *o, const double *last, size_t n, double alarm_points)
{
	const double *newest = last + n - 1;
	double sum = 0, ramp = 0, best, share = 1;
	size_t at = 0, window;
	struct scale s;

	if (n > 1 && newest[0] != newest[-1])
		o->quantum = o->quantum > 0 ? fmin(o->quantum, fabs(newest[0] - newest[-1]))
					    : fabs(newest[0] - newest[-1]);
	o->count++;
	window = o->count / 2 < ONSET_WINDOW ? o->count / 2 : ONSET_WINDOW;
	while (o->learned + window < o->count && n > window + 1)
		learn(o, newest[-(long)window], newest[-(long)window - 1]);
	if (o->learned < PAST_LEAST || n <= window)
		return 0;
	s = scale_of(o);
	if (!(s.unit > 0))
		return 0;
	best = bound_of(alarm_points, s.past);
	for (size_t k = 1; k <= window; k++) {
		double z2;

		sum += residual(&s, newest - k + 1);
		ramp += sum;
		if (k < LEAST_RUN)
			continue;
		if (k == LEAST_RUN || k % 8 == 1)
			share = 1 / power_at(o, k);
		z2 = square(sum, ramp, (double)k, s.rho, s.past) * share;
		if (z2 > best) {
			best = z2;
			at = k;
		}
	}
	if (n == ONSET_PAST && o->count % POWER_EVERY == 0)
		learn_power(o, &s, newest - ONSET_WINDOW, ONSET_WINDOW);
	return at;
}
