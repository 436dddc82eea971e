/* Lines and curves; stairs and saws are in future_sustained.c. */
#include "growth/future.h"

#include <math.h>
#include <string.h>

#include "growth/ar1.h"
#include "growth/future_parts.h"
#include "growth/segments.h"

#define BREAKS 7	 /* places where a line may have broken, and none */
#define STARTS 6	 /* of curves: at 0, 0.1, ... of the window */
#define COARSE 12	 /* curvatures that are tried first */
#define FINE 13		 /* that are kept, for each start */
#define FAR_DEVIANCE 9.0 /* three standard errors: where a grid ends */
#define NO_DEVIANCE 16.0 /* starts this much worse than the best are left out */

double future_freedom(size_t n, double rho, double columns)
{
	return fmax(n * (1 - rho) / (1 + rho) - columns, 3);
}

struct future *future_add(struct futures *f, const struct future *one)
{
	if (f->count == FUTURES_MAX || !(one->weight > 0))
		return NULL;
	f->one[f->count] = *one;
	return &f->one[f->count++];
}

void future_scale(struct futures *f, size_t from, double weight)
{
	double sum = 0;

	for (size_t i = from; i < f->count; i++)
		sum += f->one[i].weight;
	for (size_t i = from; i < f->count; i++)
		f->one[i].weight *= weight / sum;
}

static struct future from_fit(enum future_kind kind, const struct ar1 *a, size_t n, double columns)
{
	return (struct future){
		.kind = kind,
		.k0 = a->k0,
		.k1 = a->k1,
		.v00 = a->v00,
		.v01 = a->v01,
		.v11 = a->v11,
		.freedom = future_freedom(n, a->rho, columns),
	};
}

static bool is_clear(const struct ar1 *a)
{
	return a->k1 > FUTURE_CLEAR * sqrt(a->v11) && a->v11 > 0;
}

void future_add_line(struct futures *f, const struct future_points *p, double weight)
{
	size_t least = p->n / 6 > 8 ? p->n / 6 : 8, first = f->count, at[BREAKS] = {};
	size_t start = segments_last_line(p->x, p->y, p->n, least, p->floor), n = p->n - start;
	double deviance[BREAKS];

	for (size_t i = 1; i < BREAKS; i++)
		at[i] = i * n / 10;
	segments_break_deviance(p->x + start, p->y + start, n, p->floor, at, BREAKS, deviance);
	for (size_t i = 0; i < BREAKS; i++) {
		size_t from = start + at[i];
		struct ar1_rows rows = { p->n - from, p->y + from, p->x + from, NULL, p->floor };
		double cost = i ? 2 * log(n) + 2 * log(BREAKS - 1) : 0;
		struct future one;
		struct ar1 a;

		if (rows.n < least || (i && at[i] < 3))
			continue;
		ar1_fit(&rows, &a);
		if (i == 0 && !is_clear(&a))
			return;
		one = from_fit(FUTURE_LINE, &a, rows.n, 2);
		one.weight = exp(-(deviance[i] + cost - deviance[0]) / 2);
		future_add(f, &one);
	}
	future_scale(f, first, weight);
}

/* One start of a family of curves, and the noise's memory where it is known. */
struct curves {
	const struct future_points *p;
	enum future_kind kind;
	double from, rho; /* rho < 0: not known yet */
};

static double curve_at(enum future_kind kind, double from, double curve, double x)
{
	if (kind == FUTURE_LINE)
		return x;
	if (kind == FUTURE_POWER)
		return pow(fmax(x, 0), curve);
	return expm1(curve * fmax(x - from, 0));
}

/* u: logarithm of the curvature. */
static double try_curve(const struct curves *c, double u, struct ar1 *ret)
{
	double z[FIT_POINTS_MAX];
	struct ar1_rows rows = { c->p->n, c->p->y, z, NULL, c->p->floor };

	for (size_t i = 0; i < c->p->n; i++)
		z[i] = curve_at(c->kind, c->from, exp(u), c->p->x[i]);
	if (c->rho < 0)
		ar1_fit(&rows, ret);
	else
		ar1_fit_rho(&rows, c->rho, ret);
	return ret->k1 > 0 ? ret->deviance : INFINITY;
}

struct peak {
	double u, deviance, rho;
};

static struct peak coarse_peak(const struct curves *c, double low, double high)
{
	struct peak best = { .deviance = INFINITY };
	struct ar1 a;

	for (int i = 0; i < COARSE; i++) {
		double u = low + (high - low) * i / (COARSE - 1);
		double deviance = try_curve(c, u, &a);

		if (deviance < best.deviance)
			best = (struct peak){ u, deviance, a.rho };
	}
	return best;
}

static struct peak fine_peak(const struct curves *c, struct peak best, double step)
{
	struct ar1 a;

	best.deviance = try_curve(c, best.u, &a);
	for (int i = 0; i < 16; i++) {
		double u[2] = { best.u - step, best.u + step };

		for (int k = 0; k < 2; k++) {
			double deviance = try_curve(c, u[k], &a);

			if (deviance < best.deviance)
				best = (struct peak){ u[k], deviance, best.rho };
		}
		step *= 0.6;
	}
	return best;
}

/* How far from the peak, to the side of sign, the deviance is FAR_DEVIANCE worse. */
static double reach(const struct curves *c, const struct peak *peak, double most)
{
	double near = 0, far = most;
	struct ar1 a;

	for (int i = 0; i < 10; i++) {
		double middle = i ? (near + far) / 2 : far;

		if (try_curve(c, peak->u + middle, &a) - peak->deviance < FAR_DEVIANCE)
			near = middle;
		else
			far = middle;
		if (near == far)
			break;
	}
	return far;
}

static void add_curves(struct futures *f, const struct curves *c, const struct peak *peak,
		       double low, double high, double cost)
{
	double left = peak->u + reach(c, peak, low - peak->u);
	double right = peak->u + reach(c, peak, high - peak->u);

	for (int i = 0; i < FINE; i++) {
		double u = left + (right - left) * i / (FINE - 1), deviance;
		struct future one;
		struct ar1 a;

		deviance = try_curve(c, u, &a);
		one = from_fit(c->kind, &a, c->p->n, 3);
		one.from = c->from;
		one.curve = exp(u);
		/* a wider grid of the same count stands for more */
		one.weight = exp(-(deviance + cost) / 2) * fmax(right - left, 1e-9);
		future_add(f, &one);
	}
}

void future_add_exponential(struct futures *f, const struct future_points *p, double weight)
{
	struct curves c[STARTS];
	struct peak peak[STARTS];
	double best = INFINITY, rho = 0, low = log(0.4), high = log(16), cost[STARTS];
	size_t first = f->count;
	struct ar1 a;

	for (int i = 0; i < STARTS; i++) {
		c[i] = (struct curves){ p, FUTURE_EXPONENTIAL, i / 10.0, -1 };
		cost[i] = i ? log(p->n) + 2 * log(STARTS - 1) : 0;
		peak[i] = coarse_peak(&c[i], low, high);
		if (peak[i].deviance + cost[i] < best) {
			best = peak[i].deviance + cost[i];
			rho = peak[i].rho;
		}
	}
	if (!isfinite(best))
		return;
	for (int i = 0; i < STARTS; i++) {
		c[i].rho = rho;
		if (peak[i].deviance + cost[i] - best > 4 * NO_DEVIANCE)
			continue;
		peak[i] = fine_peak(&c[i], peak[i], 0.6 * (high - low) / (COARSE - 1));
		best = fmin(best, peak[i].deviance + cost[i]);
	}
	for (int i = 0; i < STARTS; i++) {
		if (peak[i].deviance + cost[i] - best > NO_DEVIANCE)
			continue;
		try_curve(&c[i], peak[i].u, &a);
		if (is_clear(&a))
			add_curves(f, &c[i], &peak[i], low, high, cost[i] - best);
	}
	future_scale(f, first, weight);
}

double future_add_power(struct futures *f, const struct future_points *p)
{
	struct curves c = { p, FUTURE_POWER, 0, -1 };
	double low = log(0.15), high = 0;
	struct peak peak = coarse_peak(&c, low, high);
	struct ar1 a;

	if (!isfinite(peak.deviance))
		return INFINITY;
	c.rho = peak.rho;
	peak = fine_peak(&c, peak, 0.6 * (high - low) / (COARSE - 1));
	try_curve(&c, peak.u, &a);
	if (!is_clear(&a))
		return INFINITY;
	add_curves(f, &c, &peak, low, high, -peak.deviance);
	return peak.deviance + 4 * log(p->n);
}

/* Student's t as a normal deviate. */
static double normal_of(double t, double freedom)
{
	return t * (1 - 1 / (4 * freedom)) / sqrt(1 + t * t / (2 * freedom));
}

static double reached_by(const struct future *f, double height, double x)
{
	double z = f->kind == FUTURE_WALK ? x - 1 : curve_at(f->kind, f->from, f->curve, x);
	double variance = f->v00 + 2 * z * f->v01 + z * z * f->v11 + f->walk * fmax(x - 1, 0);
	double above = f->k0 + f->k1 * z - height;

	if (!isfinite(above) || !isfinite(variance))
		return f->k1 > 0 && z > 0 ? 1 : 0;
	if (!(variance > 0))
		return above >= 0;
	return 0.5 * erfc(-normal_of(above / sqrt(variance), f->freedom) / M_SQRT2);
}

double futures_reached(const struct futures *f, double height, double x)
{
	double sum = 0, weights = 0;

	for (size_t i = 0; i < f->count; i++) {
		sum += f->one[i].weight * reached_by(&f->one[i], height, x);
		weights += f->one[i].weight;
	}
	return weights > 0 ? sum / weights : 0;
}
