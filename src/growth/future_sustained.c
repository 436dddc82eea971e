/* Growth along neither a line nor an exponential: a floor under teeth, stairs, or a power. */
#include <math.h>

#include "growth/floors.h"
#include "growth/future_parts.h"
#include "growth/segments.h"

#define TEETH_NOISES 6 /* amplitude over noise from which teeth are teeth */
#define FALL_SHARE 0.2 /* of the amplitude: stairs fall only from the trend */
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
	one.weight = -s.bic / 2;
	if (up > FUTURE_CLEAR * sqrt(one.v00 + p->noise * p->noise))
		future_add(f, &one);
}

void future_add_sustained(struct futures *f, const struct future_points *p, double weight)
{
	size_t first = f->count;

	if (!add_teeth(f, p)) {
		add_stairs(f, p);
		future_add_power(f, p, 0);
		/* stairs and teeth that are lost in noise */
		future_add_lines(f, p);
	}
	future_weigh(f, first, weight);
}
