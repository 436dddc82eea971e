#include "baseline_rss.h"

#include <math.h>

#define EXPLAINED_MIN 0.7    /* R squared of the line */
#define TAIL_SHARE 0.25	     /* of the window */
#define TAIL_SLOPE_MIN 0.3   /* of the slope of the whole */
#define GROWTH_MIN_BYTES 1e6 /* over the window */
#define GROWTH_MIN_SHARE 0.02

static double fit_slope(const double *t, const double *v, size_t n, double *ret_explained)
{
	double mt = 0, mv = 0, stt = 0, svv = 0, stv = 0;

	for (size_t i = 0; i < n; i++) {
		mt += t[i] / (double)n;
		mv += v[i] / (double)n;
	}
	for (size_t i = 0; i < n; i++) {
		stt += (t[i] - mt) * (t[i] - mt);
		svv += (v[i] - mv) * (v[i] - mv);
		stv += (t[i] - mt) * (v[i] - mv);
	}
	*ret_explained = stt > 0 && svv > 0 ? stv * stv / (stt * svv) : 0;
	return stt > 0 ? stv / stt : 0;
}

bool rss_rule_leaks(const double *t_s, const double *value, size_t n)
{
	size_t tail = (size_t)(TAIL_SHARE * (double)n);
	double slope, tail_slope, explained, unused, growth;

	if (n < 8)
		return false;
	tail = tail < 3 ? 3 : tail;
	slope = fit_slope(t_s, value, n, &explained);
	tail_slope = fit_slope(t_s + n - tail, value + n - tail, tail, &unused);
	growth = slope * (t_s[n - 1] - t_s[0]);
	return explained > EXPLAINED_MIN && tail_slope > TAIL_SLOPE_MIN * slope &&
	       growth > GROWTH_MIN_BYTES && growth > GROWTH_MIN_SHARE * fabs(value[0]);
}
