/* Growth along neither a line nor an exponential: a floor under teeth, stairs, or a power. */
#include <math.h>

#include "growth/floors.h"
#include "growth/future_parts.h"
#include "growth/segments.h"

#define TEETH_NOISES 6 /* amplitude over noise from which teeth are teeth */
#define FALL_SHARE 0.2 /* of the amplitude: stairs fall only from the trend */
#define LINE_PRIOR 0.3
#define BLOCKS 8
#define WALK_SHARE 0.5 /* of the weight, when the memory is WALK_MEMORY or more */
#define WALK_MEMORY 0.6
#define STAIRS_LEAST 3 /* jumps */
#define PRIOR_JUMPS 2  /* jumps are taken to differ by PRIOR_SPREAD, as if seen so often */
#define PRIOR_SPREAD 0.35

/* The limit is met by a tooth, not by the floor: at the first one that is high enough, on average
 * half a period after the line through the tips gets there. */
static bool add_teeth(struct futures *f, const struct future_points *p)
{
	struct floors l;
	struct future one = { .kind = FUTURE_LINE };
	double late;

	if (floors_fit(p->x, p->y, p->n, p->noise, 0, &l) ||
	    l.amplitude < TEETH_NOISES * p->noise || l.fall < FALL_SHARE * l.amplitude ||
	    l.slope < FUTURE_CLEAR * l.slope_error)
		return false;
	late = l.slope * l.period;
	one.k1 = l.slope;
	one.k0 = l.level - l.slope * l.middle + l.amplitude - late / 2;
	one.v11 = l.slope_error * l.slope_error;
	one.v01 = -l.middle * one.v11;
	one.v00 = l.level_error * l.level_error + l.middle * l.middle * one.v11 + late * late / 12;
	one.freedom = l.count + 2; /* floors_fit() counts four more than there are, less two */
	f->clear = true;
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

/* Jumps of any height at any time, as they came: a random walk. */
static void add_stairs(struct futures *f, const struct future_points *p)
{
	double height[SEGMENTS_CUTS_MAX], wait[SEGMENTS_CUTS_MAX], mean, up = 0;
	struct future one = { .kind = FUTURE_WALK };
	struct segments s;
	size_t n;

	if (segments_levels(p->y, p->n, p->noise, p->floor, &s) || s.count <= STAIRS_LEAST)
		return;
	n = s.count - 1;
	for (size_t i = 0; i < n; i++) {
		height[i] = s.level[i + 1] - s.level[i];
		up += height[i];
		if (i)
			wait[i - 1] = p->x[s.start[i + 1]] - p->x[s.start[i]];
	}
	mean = up / n;
	one.k0 = s.level[n];
	one.k1 = up;
	one.walk = n * mean * mean * (spread_of(height, n) + spread_of(wait, n - 1));
	one.v11 = one.walk + mean * mean / 6; /* and where in a stair the window begins and ends */
	one.v00 = mean * mean / 4;
	one.freedom = n + PRIOR_JUMPS;
	one.weight = -s.bic / 2 + 1.5 * log(p->n); /* less what every line pays, too */
	if (!(up > FUTURE_CLEAR * sqrt(one.v00 + p->noise * p->noise)))
		return;
	f->clear = true;
	future_add(f, &one);
}

/* Drift and a random walk, from the growth of eight blocks: for stairs that noise hides. */
static void add_walk(struct futures *f, const struct future_points *p)
{
	struct future one = { .kind = FUTURE_WALK, .freedom = BLOCKS - 1 };
	double mean[BLOCKS] = {}, x[BLOCKS] = {}, spread = 0, noise;

	for (size_t b = 0; b < BLOCKS; b++) {
		size_t from = b * p->n / BLOCKS, to = (b + 1) * p->n / BLOCKS;

		for (size_t i = from; i < to; i++) {
			mean[b] += p->y[i] / (to - from);
			x[b] += p->x[i] / (to - from);
		}
	}
	one.k1 = (mean[BLOCKS - 1] - mean[0]) / (x[BLOCKS - 1] - x[0]);
	noise = 2 * p->noise * p->noise * BLOCKS / p->n;
	for (size_t b = 1; b < BLOCKS; b++) {
		double step = x[b] - x[b - 1], off = mean[b] - mean[b - 1] - one.k1 * step;

		spread += off * off / step / (BLOCKS - 2);
	}
	/* of means of blocks: two thirds of that of the walk itself */
	one.walk = fmax(1.5 * (spread - noise * BLOCKS), 0);
	one.k0 = mean[BLOCKS - 1] + one.k1 * (1 - x[BLOCKS - 1]);
	one.v11 = one.walk + noise;
	one.v00 = noise + one.walk / BLOCKS;
	one.weight = 0;
	if (one.k1 > 0)
		future_add(f, &one);
}

/* How much of what a smooth curve leaves is remembered: stairs do that, and so does noise. */
static double memory_of(const struct future_points *p)
{
	struct fit_work w;
	struct fit fit;

	if (fit_prepare(&w, p->x, p->y, p->n, p->floor))
		return 0;
	fit_prepared(&w, FIT_POWER, &fit);
	return fit.rho;
}

bool future_add_sustained(struct futures *f, const struct future_points *p, bool lines)
{
	size_t first = f->count, walk;
	double share = WALK_SHARE * fmin(memory_of(p) / WALK_MEMORY, 1), evidence;

	if (add_teeth(f, p))
		return true;
	add_stairs(f, p);
	future_add_power(f, p, 0);
	if (lines)
		future_add_lines(f, p, log(LINE_PRIOR));
	walk = f->count;
	evidence = futures_evidence(f, first);
	add_walk(f, p);
	if (f->count > walk && share > 0 && isfinite(evidence))
		f->one[walk].weight = evidence + log(share / (1 - share));
	else
		f->count = walk;
	return false;
}
