/* Curves, and the distribution; lines are in future_line.c, stairs and saws in future_sustained.c.
 */
#include "growth/future.h"

#include <math.h>
#include <string.h>

#include "growth/ar1.h"
#include "growth/future_parts.h"

#define STARTS 6       /* of exponentials: at 0, 0.1, ... of the window */
#define LATE_PRIOR 0.5 /* of one that began late: half as usual as one all along */
#define COARSE 10      /* values that are tried first */
#define FINE 9	       /* that are kept */
#define CLIMBS 7
#define HALVINGS 7
#define HARDLY 1.5	 /* standard errors: what rises less counts for nothing */
#define RATE_ERRORS 40.0 /* beyond any quantile that is asked for */
#define FAR_DEVIANCE 9.0 /* three standard errors: where a grid ends */
#define NO_DEVIANCE 40.0 /* starts that are this much worse on a coarse grid are left out */

/* The memory is estimated, too, and what noise of all frequencies below a slope is made of depends
 * on it: its logarithm has a variance of 2/n from the variance and 4/(n (1 - rho^2)) from the
 * memory. */
double future_freedom(size_t n, double rho, double columns)
{
	return fmax(n / (1 + 2 / (1 - rho * rho)) - columns / 2, 3);
}

void future_add(struct futures *f, const struct future *one)
{
	if (f->count < FUTURES_MAX && isfinite(one->weight))
		f->one[f->count++] = *one;
}

double futures_evidence(const struct futures *f, size_t from)
{
	double most = -INFINITY, sum = 0;

	for (size_t i = from; i < f->count; i++)
		most = fmax(most, f->one[i].weight);
	for (size_t i = from; i < f->count; i++)
		sum += exp(f->one[i].weight - most);
	return sum > 0 ? most + log(sum) : -INFINITY;
}

void futures_weigh(struct futures *f, size_t from, size_t to, double weight)
{
	double most = -INFINITY, sum = 0;

	for (size_t i = from; i < to; i++)
		most = fmax(most, f->one[i].weight);
	for (size_t i = from; i < to; i++)
		sum += exp(f->one[i].weight - most);
	for (size_t i = from; i < to; i++)
		f->one[i].weight = weight * exp(f->one[i].weight - most) / sum;
}

void futures_thin(struct futures *f, double least)
{
	double sum = 0;
	size_t kept = 0;

	for (size_t i = 0; i < f->count; i++)
		sum += f->one[i].weight;
	for (size_t i = 0; i < f->count; i++)
		if (f->one[i].weight > least * sum)
			f->one[kept++] = f->one[i];
	f->count = kept;
}

struct future future_of(enum future_kind kind, const struct ar1 *a, size_t n, double columns)
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

bool future_is_clear(const struct ar1 *a)
{
	return a->k1 > FUTURE_CLEAR * sqrt(a->v11) && a->v11 > 0;
}

double future_curve(enum future_kind kind, double from, double curve, double x)
{
	if (kind == FUTURE_LINE)
		return fmax(x - from, 0);
	if (kind == FUTURE_POWER)
		return pow(fmax(x, 0), curve);
	return expm1(curve * fmax(x - from, 0));
}

/* u: what is varied. */
static double try_at(const struct profile *c, double u, struct ar1 *ret)
{
	const struct future_points *p = c->p;
	double from = c->by == BY_HINGE ? u : c->from, curve = exp(u);
	double z[FIT_POINTS_MAX], side[FIT_POINTS_MAX];
	struct ar1_rows rows = { p->n, p->y, z, NULL, NULL, p->floor };

	for (size_t i = 0; i < p->n; i++) {
		z[i] = future_curve(c->kind, from, curve, p->x[i]);
		side[i] = c->by == BY_FADE ? exp(-curve * p->x[i]) : 0;
	}
	if (c->by == BY_FADE)
		rows.side = side;
	if (c->rho < 0)
		ar1_fit(&rows, ret);
	else
		ar1_fit_rho(&rows, c->rho, ret);
	return ret->k1 > 0 ? ret->deviance : INFINITY;
}

void future_coarse(struct profile *c)
{
	struct ar1 a;

	c->rho = -1;
	c->deviance = INFINITY;
	for (int i = 0; i < COARSE; i++) {
		double u = c->low + (c->high - c->low) * i / (COARSE - 1);
		double deviance = try_at(c, u, &a);

		if (deviance < c->deviance) {
			c->deviance = deviance;
			c->peak = u;
			c->fit = a;
		}
	}
}

static void climb(struct profile *c)
{
	double step = 0.5 * (c->high - c->low) / (COARSE - 1);
	struct ar1 a;

	c->deviance = try_at(c, c->peak, &c->fit);
	for (int i = 0; i < CLIMBS; i++) {
		for (int side = -1; side <= 1; side += 2) {
			double u = fmin(fmax(c->peak + side * step, c->low), c->high);
			double deviance = try_at(c, u, &a);

			if (!(deviance < c->deviance))
				continue;
			c->deviance = deviance;
			c->peak = u;
			c->fit = a;
			break;
		}
		step *= 0.55;
	}
}

/* From the peak towards an end: where the deviance is FAR_DEVIANCE worse. */
static double reach(const struct profile *c, double end)
{
	double near = c->peak, far = end;
	struct ar1 a;

	if (try_at(c, end, &a) - c->deviance < FAR_DEVIANCE)
		return end;
	for (int i = 0; i < HALVINGS; i++) {
		double middle = near + (far - near) * 0.3; /* mostly it is near */

		if (try_at(c, middle, &a) - c->deviance < FAR_DEVIANCE)
			near = middle;
		else
			far = middle;
	}
	return far;
}

void future_add_profile(struct futures *f, struct profile *c)
{
	double left, right;
	struct ar1 a;

	if (!isfinite(c->deviance))
		return;
	climb(c);
	c->rho = c->fit.rho; /* not of a coarse fit: what that leaves looks like memory */
	c->deviance = try_at(c, c->peak, &c->fit);
	if (!(c->fit.k1 > HARDLY * sqrt(c->fit.v11)))
		return;
	left = reach(c, c->low);
	right = reach(c, c->high);
	for (int i = 0; i < FINE; i++) {
		double u = left + (right - left) * (i + 0.5) / FINE;
		double deviance = try_at(c, u, &a);
		struct future one = future_of(c->kind, &a, c->p->n, c->by == BY_FADE ? 4 : 3);

		f->clear = f->clear || future_is_clear(&a);
		one.from = c->by == BY_HINGE ? u : c->from;
		one.curve = exp(u);
		one.weight = c->log_prior - deviance / 2 +
			     log(fmax((right - left) / (c->high - c->low), 1e-12) / FINE);
		future_add(f, &one);
	}
}

void future_add_exponential(struct futures *f, const struct future_points *p)
{
	struct profile c[STARTS];
	double best = INFINITY;

	for (int i = 0; i < STARTS; i++) {
		c[i] = (struct profile){ .p = p,
					 .kind = FUTURE_EXPONENTIAL,
					 .from = i / 10.0,
					 .low = log(0.4),
					 .high = log(16),
					 .log_prior = i ? log(LATE_PRIOR / (STARTS - 1)) : 0 };
		future_coarse(&c[i]);
		best = fmin(best, c[i].deviance);
	}
	for (int i = 0; i < STARTS; i++)
		if (c[i].deviance - best < NO_DEVIANCE)
			future_add_profile(f, &c[i]);
}

void future_add_power(struct futures *f, const struct future_points *p, double log_prior)
{
	struct profile c = { .p = p,
			     .kind = FUTURE_POWER,
			     .low = log(0.25),
			     .high = log(0.95),
			     .log_prior = log_prior };

	future_coarse(&c);
	future_add_profile(f, &c);
}

/* Student's t as a normal deviate. */
static double normal_of(double t, double freedom)
{
	return t * (1 - 1 / (4 * freedom)) / sqrt(1 + t * t / (2 * freedom));
}

static double reached_by(const struct future *f, double height, double x)
{
	double z = f->kind == FUTURE_WALK ? x - 1 : future_curve(f->kind, f->from, f->curve, x);
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

/* d/dx at x = 1 of what k1 is the factor of. */
static double steepness(const struct future *f)
{
	if (f->kind == FUTURE_POWER)
		return f->curve;
	if (f->kind == FUTURE_EXPONENTIAL)
		return f->curve * exp(f->curve * (1 - f->from));
	return 1;
}

double futures_slower(const struct futures *f, double rate)
{
	double sum = 0, weights = 0;

	for (size_t i = 0; i < f->count; i++) {
		const struct future *one = &f->one[i];
		double s = steepness(one), error = s * sqrt(one->v11);
		double t = error > 0		? (rate - s * one->k1) / error
			   : rate < s * one->k1 ? -1e9
						: 1e9;

		sum += one->weight * 0.5 * erfc(-normal_of(t, one->freedom) / M_SQRT2);
		weights += one->weight;
	}
	return weights > 0 ? sum / weights : 0;
}

void futures_rate_range(const struct futures *f, double *low, double *high)
{
	*low = INFINITY;
	*high = -INFINITY;
	for (size_t i = 0; i < f->count; i++) {
		const struct future *one = &f->one[i];
		double s = steepness(one), error = s * sqrt(one->v11);

		*low = fmin(*low, s * one->k1 - RATE_ERRORS * error);
		*high = fmax(*high, s * one->k1 + RATE_ERRORS * error);
	}
}
