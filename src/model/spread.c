#include "model/spread.h"

#include <math.h>

#define SIGMAS 1.96
/*
 * Blocks for each piece of work, in windows and outside: not quite the same, for caches are cold
 * after each probe, and other threads may work without allocating. 17 %; seen were 5 to 40 % on a
 * machine with seven times as much to do as it has CPUs for.
 */
#define WORK_APART 0.03
#define FEWEST 3 /* windows, and windows that effectively make up a sum (Kish) */

void spread_add(struct spread *s, uint64_t total, int is_first)
{
	double seen = total > s->before ? (double)(total - s->before) : 0;

	s->before = total;
	if (is_first)
		return;
	s->sum += seen;
	s->squares += seen * seen;
}

/* Student's t at 95 % over the normal's, squared: fitted, 0 to 5 % too large from 3 windows on. */
static double widened(double windows)
{
	double v = windows - 1;

	return 1 + 2.4 / v + 5 / (v * v) + 11 / (v * v * v);
}

/*
 * The truth is a sum over an uncertain share: it is as many times larger than what is told as it
 * may be smaller. The interval is as wide on both sides as on the wider one.
 */
static double lopsided(double variance)
{
	double half = expm1(SIGMAS * sqrt(variance)) / SIGMAS;

	return half * half;
}

double spread_common(const struct spread_windows *w)
{
	if (!w->count)
		return 0;
	return w->count < FEWEST ? NAN : WORK_APART + w->variance * widened(w->count) / w->count;
}

double spread_variance(const struct spread *s, const struct spread_windows *w)
{
	double n = w->count, apart, effective;

	if (!w->count)
		return 0;
	effective = s->squares > 0 ? s->sum * s->sum / s->squares : 0;
	if (n < FEWEST || effective < FEWEST)
		return NAN;
	apart = fmax(s->squares - s->sum * s->sum / n, 0) * n / (n - 1);
	return s->sum * s->sum *
	       lopsided(apart * widened(effective) / (s->sum * s->sum) + spread_common(w));
}
