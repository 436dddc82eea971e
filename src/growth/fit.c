/*
 * Kinds with one curved parameter: a grid by plain least squares, which for hinges and ramps takes
 * running sums only and for exponentials one product per point, then one fit with a memory.
 */
#include "growth/fit.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "growth/ar1.h"

#define LARGEST 1e150	 /* squares of it are finite */
#define RATE_LEAST 0.8	 /* of the ladder; each rung is 2^(1/3) times the one before */
#define GROWING_RATES 12 /* 0.8 to 10: below, a line; above, a spike */
#define FADING_FIRST 5	 /* rung 5: 2.5; below, a line */
#define FADING_RATES 16	 /* 2.5 to 81; above, a step */
#define POWER_LEAST 2	 /* eighths: x^(2/8) to */
#define POWER_MOST 7
#define RAMP_STEPS 12 /* knots of ramps */
#define EDGE 2	      /* points that a hinge or a ramp leaves on either side */
#define REFINEMENTS 6

struct found {
	double sse, c, d;
};

static bool usable(const double *x, const double *y, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!(fabs(y[i]) <= LARGEST) || !(x[i] >= -1 && x[i] <= 2))
			return false;
	return true;
}

/* The gap that most points have: the mean of those that are not far above the mean. */
static double usual_gap(const double *x, size_t n)
{
	double usual = (x[n - 1] - x[0]) / (n - 1);

	for (int round = 0; round < 2; round++) {
		double sum = 0;
		size_t count = 0;

		for (size_t i = 1; i < n; i++) {
			double gap = x[i] - x[i - 1];

			if (gap > 1.5 * usual)
				continue;
			sum += gap;
			count++;
		}
		if (count && sum > 0)
			usual = sum / count;
	}
	return usual;
}

static void prepare_gaps(struct fit_work *w)
{
	double usual = usual_gap(w->x, w->n);

	w->gap[0] = 1;
	for (size_t i = 1; i < w->n; i++) {
		double gap = usual > 0 ? (w->x[i] - w->x[i - 1]) / usual : 1;

		gap = fmin(fmax(gap, 0.1), 100);
		w->gap[i] = gap > 0.6 && gap < 1.6 ? 1 : gap;
		w->uneven |= w->gap[i] != 1;
	}
}

static void prepare_sums(struct fit_work *w)
{
	w->sum_x[0] = w->sum_xx[0] = w->sum_v[0] = w->sum_xv[0] = 0;
	for (size_t i = 0; i < w->n; i++) {
		double x = w->x[i], v = w->v[i];

		w->sum_x[i + 1] = w->sum_x[i] + x;
		w->sum_xx[i + 1] = w->sum_xx[i] + x * x;
		w->sum_v[i + 1] = w->sum_v[i] + v;
		w->sum_xv[i + 1] = w->sum_xv[i] + x * v;
		w->vv += v * v;
	}
}

int fit_prepare(struct fit_work *w, const double *x, const double *y, size_t n, double floor)
{
	double low, high, mean = 0;

	if (n < FIT_POINTS_MIN || n > FIT_POINTS_MAX || !usable(x, y, n))
		return -EINVAL;
	low = high = y[0];
	for (size_t i = 0; i < n; i++) {
		mean += y[i] / n;
		low = fmin(low, y[i]);
		high = fmax(high, y[i]);
	}
	if (!(x[n - 1] > x[0]))
		return -EINVAL;
	w->n = n;
	w->middle = mean;
	w->scale = high > low ? high - low : 1;
	w->floor = isfinite(floor) && floor > 0 ? fmin(floor / w->scale, 1e12) : 0;
	w->vv = 0;
	w->uneven = w->laddered = false;
	memcpy(w->x, x, n * sizeof(*x));
	for (size_t i = 0; i < n; i++)
		w->v[i] = (y[i] - mean) / w->scale;
	prepare_gaps(w);
	prepare_sums(w);
	return 0;
}

/* Sum of squares that a + b z leaves, from sums of z, z^2 and z v; all of it when b would be < 0.
 */
static double left_over(const struct fit_work *w, double z, double zz, double zv, bool rising)
{
	double spread = zz - z * z / w->n, along = zv - z * w->sum_v[w->n] / w->n;

	if (!(spread > 1e-12 * zz) || (rising && along <= 0))
		return w->vv;
	return w->vv - along * along / spread;
}

static double left_by(const struct fit_work *w, const double *z, bool rising)
{
	double s = 0, ss = 0, sv = 0;

	for (size_t i = 0; i < w->n; i++) {
		s += z[i];
		ss += z[i] * z[i];
		sv += z[i] * w->v[i];
	}
	return left_over(w, s, ss, sv, rising);
}

static void keep_better(struct found *best, double sse, double c, double d)
{
	if (sse < best->sse)
		*best = (struct found){ sse, c, d };
}

static double rung(int j)
{
	return RATE_LEAST * exp2(j / (double)FIT_LADDER);
}

static void ladder(struct fit_work *w)
{
	for (int k = 0; k < FIT_LADDER && !w->laddered; k++)
		for (size_t i = 0; i < w->n; i++)
			w->falling[k][i] = exp(-rung(k) * w->x[i]);
	w->laddered = true;
}

static double left_by_exponential(const struct fit_work *w, double rate, int sign)
{
	double z[FIT_POINTS_MAX], end = sign > 0 ? 1 : 0;

	for (size_t i = 0; i < w->n; i++)
		z[i] = sign * exp(sign * rate * (w->x[i] - end));
	return left_by(w, z, true);
}

/* Golden section between the rungs beside the best one; sign 1: growing, -1: fading. */
static void refine_rate(const struct fit_work *w, int sign, struct found *best)
{
	const double part = 0.6180339887498949, step = log(2) / FIT_LADDER;
	double low = log(best->c) - step, high = low + 2 * step;
	double at[2] = { high - part * (high - low), low + part * (high - low) };
	double sse[2] = { left_by_exponential(w, exp(at[0]), sign),
			  left_by_exponential(w, exp(at[1]), sign) };

	for (int i = 0; i < REFINEMENTS; i++) {
		int worse = sse[0] < sse[1];

		keep_better(best, sse[!worse], exp(at[!worse]), 0);
		if (worse) {
			high = at[1];
			at[1] = at[0];
			sse[1] = sse[0];
			at[0] = high - part * (high - low);
			sse[0] = left_by_exponential(w, exp(at[0]), sign);
		} else {
			low = at[0];
			at[0] = at[1];
			sse[0] = sse[1];
			at[1] = low + part * (high - low);
			sse[1] = left_by_exponential(w, exp(at[1]), sign);
		}
	}
}

static void search_exponential(struct fit_work *w, struct found *best)
{
	double level[FIT_POINTS_MAX], z[FIT_POINTS_MAX];

	ladder(w);
	for (int k = 0; k < FIT_LADDER; k++) {
		memcpy(level, w->falling[k], w->n * sizeof(*level));
		for (int j = k; j < GROWING_RATES; j += FIT_LADDER) {
			for (size_t i = 0; i < w->n; i++)
				z[i] = level[w->n - 1] / level[i];
			keep_better(best, left_by(w, z, true), rung(j), 0);
			for (size_t i = 0; i < w->n; i++)
				level[i] *= level[i];
		}
	}
	if (best->sse < w->vv)
		refine_rate(w, 1, best);
}

static void search_saturating(struct fit_work *w, struct found *best)
{
	double z[FIT_POINTS_MAX];

	ladder(w);
	for (int k = 0; k < FIT_LADDER; k++) {
		for (size_t i = 0; i < w->n; i++)
			z[i] = -w->falling[k][i];
		for (int j = k; j < FADING_FIRST + FADING_RATES; j += FIT_LADDER) {
			if (j >= FADING_FIRST)
				keep_better(best, left_by(w, z, true), rung(j), 0);
			for (size_t i = 0; i < w->n; i++)
				z[i] *= -z[i];
		}
	}
	if (best->sse < w->vv)
		refine_rate(w, -1, best);
}

static void search_power(const struct fit_work *w, struct found *best)
{
	double root[FIT_POINTS_MAX], z[FIT_POINTS_MAX];

	for (size_t i = 0; i < w->n; i++) {
		root[i] = sqrt(sqrt(sqrt(fmax(w->x[i], 0))));
		z[i] = root[i];
	}
	for (int p = POWER_LEAST; p <= POWER_MOST; p++) {
		for (size_t i = 0; i < w->n; i++)
			z[i] *= root[i];
		keep_better(best, left_by(w, z, true), p / 8.0, 0);
	}
}

/* Of z = x - low for points from i to j, high - low from j on, 0 before i. */
static double left_by_ramp(const struct fit_work *w, size_t i, size_t j, bool rising)
{
	double low = w->x[i], top = w->x[j] - low, after = w->n - j, in = j - i;
	double x = w->sum_x[j] - w->sum_x[i], v = w->sum_v[j] - w->sum_v[i];
	double z = x - in * low, zz = w->sum_xx[j] - w->sum_xx[i] - low * (2 * x - in * low);
	double zv = w->sum_xv[j] - w->sum_xv[i] - low * v;

	return left_over(w, z + after * top, zz + after * top * top,
			 zv + top * (w->sum_v[w->n] - w->sum_v[j]), rising);
}

static void search_hinge(const struct fit_work *w, struct found *best)
{
	for (size_t i = EDGE; i + EDGE < w->n; i++)
		keep_better(best, left_by_ramp(w, i, w->n - 1, true), w->x[i], 0);
}

/* One knot after the other along all points around it. */
static void refine_ramp(const struct fit_work *w, size_t knot[2], struct found *best)
{
	size_t reach = w->n / RAMP_STEPS + 1;

	for (int turn = 0; turn < 4; turn++) {
		size_t *k = &knot[turn % 2], other = knot[!(turn % 2)];
		size_t from = *k > reach ? *k - reach : 0;

		for (size_t i = from; i <= from + 2 * reach && i < w->n; i++) {
			size_t low = i < other ? i : other, high = i < other ? other : i;
			double before = best->sse;

			if (low == high || (turn % 2) != (i > other) || high - low == w->n - 1)
				continue;
			if (low == 1 || high == w->n - 2)
				continue;
			keep_better(best, left_by_ramp(w, low, high, false), w->x[low], w->x[high]);
			if (best->sse < before)
				*k = i;
		}
	}
}

static void search_ramp(const struct fit_work *w, struct found *best)
{
	size_t knot[2] = { 0, 0 };

	for (size_t i = 0; i < RAMP_STEPS; i++) {
		for (size_t j = i + 1; j <= RAMP_STEPS; j++) {
			size_t from = i * (w->n - 1) / RAMP_STEPS;
			size_t to = j * (w->n - 1) / RAMP_STEPS;
			double before = best->sse;

			if (j - i == RAMP_STEPS || from == to)
				continue;
			keep_better(best, left_by_ramp(w, from, to, false), w->x[from], w->x[to]);
			if (best->sse < before) {
				knot[0] = from;
				knot[1] = to;
			}
		}
	}
	if (knot[1])
		refine_ramp(w, knot, best);
}

static double shape_of(enum fit_kind kind, double x, double c, double d)
{
	switch (kind) {
	case FIT_LINE: return x;
	case FIT_EXPONENTIAL: return expm1(c * x);
	case FIT_SATURATING: return -expm1(-c * x);
	case FIT_POWER: return pow(fmax(x, 0), c);
	case FIT_HINGE: return fmax(x - c, 0);
	case FIT_RAMP: return fmin(fmax(x, c), d) - c;
	default: return 0;
	}
}

/* In the middle of each grid: for series along which no member of it rises. */
static struct found start_of(const struct fit_work *w, enum fit_kind kind)
{
	static const double c[FIT_KINDS] = {
		[FIT_EXPONENTIAL] = 2.5, [FIT_SATURATING] = 14, [FIT_POWER] = 0.5,
		[FIT_HINGE] = 0.5,	 [FIT_RAMP] = 0.25,
	};

	return (struct found){ w->vv, c[kind], kind == FIT_RAMP ? 0.75 : 0 };
}

static struct found search(struct fit_work *w, enum fit_kind kind)
{
	struct found best = start_of(w, kind);

	switch (kind) {
	case FIT_EXPONENTIAL: search_exponential(w, &best); break;
	case FIT_SATURATING: search_saturating(w, &best); break;
	case FIT_POWER: search_power(w, &best); break;
	case FIT_HINGE: search_hinge(w, &best); break;
	case FIT_RAMP: search_ramp(w, &best); break;
	default: break;
	}
	return best;
}

static bool must_rise(enum fit_kind kind)
{
	return kind != FIT_CONSTANT && kind != FIT_LINE && kind != FIT_RAMP;
}

void fit_prepared(struct fit_work *w, enum fit_kind kind, struct fit *ret)
{
	static const double parameters[FIT_KINDS] = { 2, 3, 4, 4, 4, 4, 5 };
	struct found best = search(w, kind);
	double z[FIT_POINTS_MAX];
	struct ar1_rows rows = { .n = w->n, .y = w->v, .floor = w->floor };
	struct ar1 f;

	for (size_t i = 0; i < w->n; i++)
		z[i] = shape_of(kind, w->x[i], best.c, best.d);
	rows.gap = w->uneven ? w->gap : NULL;
	if (kind != FIT_CONSTANT && !(must_rise(kind) && best.sse >= w->vv))
		rows.z = z;
	ar1_fit(&rows, &f);
	*ret = (struct fit){
		.kind = kind,
		.n = w->n,
		.a = w->middle + w->scale * f.k0,
		.b = w->scale * f.k1,
		.c = best.c,
		.d = best.d,
		.a_error = w->scale * sqrt(f.v00),
		.b_error = w->scale * sqrt(f.v11),
		.rho = f.rho,
		.noise = w->scale * sqrt(f.s2),
		.bic = f.deviance + 2 * w->n * log(w->scale) + parameters[kind] * log(w->n),
	};
}

int fit_shape(const double *x, const double *y, size_t n, enum fit_kind kind, double floor,
	      struct fit *ret)
{
	struct fit_work w;
	int r = fit_prepare(&w, x, y, n, floor);

	if (r < 0 || (unsigned int)kind >= FIT_KINDS)
		return -EINVAL;
	fit_prepared(&w, kind, ret);
	return 0;
}

double fit_at(const struct fit *f, double x)
{
	double y = f->a + f->b * shape_of(f->kind, x, f->c, f->d);

	if (isnan(y))
		return f->a;
	return fmin(fmax(y, -1e300), 1e300);
}
