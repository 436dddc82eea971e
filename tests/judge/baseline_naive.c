#include "baseline_naive.h"

#include <math.h>

struct naive_cfg naive_defaults(void)
{
	return (struct naive_cfg){ .correlation = 0.8,
				   .deviations = 3,
				   .rising = 0.6,
				   .crossings = 4,
				   .crossings_share = 0.4,
				   .variation = 0.02 };
}

struct naive_cfg naive_tuned(void)
{
	return (struct naive_cfg){ .correlation = 0.9,
				   .deviations = 3,
				   .rising = 0.8,
				   .crossings = 6,
				   .crossings_share = 0.5,
				   .variation = 0.02 };
}

struct line {
	double slope, level, r; /* value = level + slope t */
};

static struct line fit_line(const double *t, const double *v, size_t n, bool logarithms)
{
	double mt = 0, mv = 0, stt = 0, svv = 0, stv = 0, y;
	struct line l = {};

	for (size_t i = 0; i < n; i++) {
		mt += t[i] / (double)n;
		mv += (logarithms ? log(fmax(v[i], 1)) : v[i]) / (double)n;
	}
	for (size_t i = 0; i < n; i++) {
		y = (logarithms ? log(fmax(v[i], 1)) : v[i]) - mv;
		stt += (t[i] - mt) * (t[i] - mt);
		svv += y * y;
		stv += (t[i] - mt) * y;
	}
	if (stt <= 0 || svv <= 0)
		return l;
	l.slope = stv / stt;
	l.level = mv - l.slope * mt;
	l.r = stv / sqrt(stt * svv);
	return l;
}

struct summary {
	double mean, deviation, highest, rising; /* rising: share of steps */
	size_t crossings;			 /* of the fitted line */
};

static struct summary summarise(const double *t, const double *v, size_t n, const struct line *l)
{
	struct summary s = { .highest = v[0] };
	double rest, before = 0;

	for (size_t i = 0; i < n; i++) {
		s.mean += v[i] / (double)n;
		s.highest = fmax(s.highest, v[i]);
		s.rising += i && v[i] > v[i - 1] ? 1.0 / (double)(n - 1) : 0;
		rest = v[i] - l->level - l->slope * t[i];
		s.crossings += i && rest * before < 0;
		before = rest;
	}
	for (size_t i = 0; i < n; i++)
		s.deviation += (v[i] - s.mean) * (v[i] - s.mean) / (double)n;
	s.deviation = sqrt(s.deviation);
	return s;
}

void naive_judge(const struct naive_cfg *cfg, const double *t_s, const double *value, size_t n,
		 struct naive_answer *ret)
{
	struct naive_answer a = { .pattern = PATTERN_STABLE, .confidence = 0.5 };
	struct line straight, bent;
	struct summary s;

	*ret = a;
	if (n < 3)
		return;
	straight = fit_line(t_s, value, n, false);
	bent = fit_line(t_s, value, n, true);
	s = summarise(t_s, value, n, &straight);
	if (bent.r > cfg->correlation && bent.r > straight.r)
		a = (struct naive_answer){ PATTERN_EXPONENTIAL, bent.r, true };
	else if (straight.r > cfg->correlation)
		a = (struct naive_answer){ PATTERN_LINEAR, straight.r, true };
	else if (s.highest > s.mean + cfg->deviations * s.deviation)
		a = (struct naive_answer){ PATTERN_SPIKE, 0.8, false };
	else if ((double)s.crossings >= cfg->crossings &&
		 (double)s.crossings < cfg->crossings_share * (double)n &&
		 s.deviation > cfg->variation * s.mean)
		a = (struct naive_answer){ PATTERN_OSCILLATING, 0.7, false };
	else if (s.rising > cfg->rising)
		a = (struct naive_answer){ PATTERN_SUSTAINED, s.rising, true };
	*ret = a;
}
