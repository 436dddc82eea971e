/* Growth along neither a line nor an exponential: a floor under teeth, stairs, or a power. */
#include <math.h>

#include "growth/floors.h"
#include "growth/future_parts.h"
#include "growth/segments.h"

#define TEETH_NOISES 6 /* amplitude over noise from which teeth are teeth */
#define STAIRS_LEAST 3 /* jumps */
#define PRIOR_JUMPS 2  /* jumps are taken to differ by PRIOR_SPREAD, as if seen so often */
#define PRIOR_SPREAD 0.35

/* The limit is met by a tooth, not by the floor: at the first one that is high enough, on average
 * half a period after the line through the tips gets there. */
static bool add_teeth(struct futures *f, const struct future_points *p)
{
	struct floors l;
	struct future one = { .kind = FUTURE_LINE, .weight = 1 };
	double late;

	if (floors_fit(p->x, p->y, p->n, p->noise, 0, &l) ||
	    l.amplitude < TEETH_NOISES * p->noise || l.slope < FUTURE_CLEAR * l.slope_error)
		return false;
	late = l.slope * l.period;
	one.k1 = l.slope;
	one.k0 = l.level - l.slope * l.middle + l.amplitude - late / 2;
	one.v11 = l.slope_error * l.slope_error;
	one.v01 = -l.middle * one.v11;
	one.v00 = l.level_error * l.level_error + l.middle * l.middle * one.v11 + late * late / 12;
	one.freedom = l.count;
	future_add(f, &one);
	return true;
}

/* Squared coefficient of variation of n sizes, few of them eked out by what is usual. */
static double spread_of(const double *size, size_t n)
{
	double mean = 0, squares = 0;

	for (size_t i = 0; i < n; i++)
		mean += size[i] / n;
	if (!(mean > 0))
		return 1;
	for (size_t i = 0; i < n; i++)
		squares += pow(size[i] / mean - 1, 2);
	return (squares + PRIOR_JUMPS * PRIOR_SPREAD * PRIOR_SPREAD) / (n - 1 + PRIOR_JUMPS);
}

/* Jumps of any height at any time, as they came: a random walk. Returns its BIC. */
static double add_stairs(struct futures *f, const struct future_points *p)
{
	double height[SEGMENTS_CUTS_MAX], wait[SEGMENTS_CUTS_MAX], mean, up = 0;
	struct future one = { .kind = FUTURE_WALK, .weight = 1 };
	struct segments s;
	size_t n;

	if (segments_levels(p->y, p->n, p->noise, p->floor, &s) || s.count <= STAIRS_LEAST)
		return INFINITY;
	n = s.count - 1;
	for (size_t i = 0; i < n; i++) {
		height[i] = s.level[i + 1] - s.level[i];
		up += height[i];
		if (i)
			wait[i - 1] = p->x[s.start[i + 1]] - p->x[s.start[i]];
	}
	mean = up / n;
	if (!(mean > 0))
		return INFINITY;
	one.k0 = s.level[n];
	one.k1 = up;
	one.walk = n * mean * mean * (spread_of(height, n) + spread_of(wait, n - 1));
	one.v11 = one.walk + mean * mean / 6; /* and where in a stair the window begins and ends */
	one.v00 = mean * mean / 4;
	one.freedom = n + PRIOR_JUMPS;
	if (up < FUTURE_CLEAR * sqrt(one.v00 + p->noise * p->noise))
		return INFINITY;
	future_add(f, &one);
	return s.bic;
}

void future_add_sustained(struct futures *f, const struct future_points *p, double weight)
{
	size_t first = f->count, powers;
	double stairs, power;

	if (add_teeth(f, p)) {
		future_scale(f, first, weight);
		return;
	}
	stairs = add_stairs(f, p);
	powers = f->count;
	power = future_add_power(f, p);
	if (isfinite(power) && powers > first) { /* one against the other */
		future_scale(f, powers, exp(fmin((stairs - power) / 2, 50)));
		if (stairs > power + 100)
			f->one[first].weight = 0;
	}
	future_scale(f, first, weight);
}
