/* A line or none; the other shapes are not there yet. */
#include "growth/shape.h"

#include <math.h>

void shape_judge(const struct shape_input *in, struct shape *ret)
{
	struct shape s = { .growth_per_s = NAN, .growth_low_per_s = NAN, .growth_high_per_s = NAN };
	double x[FIT_POINTS_MAX], span;
	size_t n = in->n < FIT_POINTS_MAX ? in->n : FIT_POINTS_MAX, first = in->n - n;

	*ret = s;
	if (n < SHAPE_POINTS_MIN)
		return;
	s.start_s = in->t_s[first];
	s.end_s = in->t_s[in->n - 1];
	span = s.end_s - s.start_s;
	for (size_t i = 0; i < n; i++)
		x[i] = (in->t_s[first + i] - s.start_s) / span;
	if (!(span > 0) || fit_shape(x, in->value + first, n, FIT_LINE, 1e-9, &s.fit))
		return;
	s.points = n;
	s.noise = s.fit.noise;
	s.total_growth = s.fit.b;
	s.detectability = fabs(s.fit.b) / s.fit.b_error;
	s.growth_per_s = s.fit.b / span;
	s.growth_low_per_s = s.growth_per_s - 1.96 * s.fit.b_error / span;
	s.growth_high_per_s = s.growth_per_s + 1.96 * s.fit.b_error / span;
	s.pattern = s.fit.b > 6 * s.fit.b_error ? PATTERN_LINEAR : PATTERN_STABLE;
	s.confidence = 0.6;
	s.p[s.pattern] = s.confidence;
	s.leak_probability = s.pattern == PATTERN_LINEAR ? 0.6 : 0.2;
	s.why = "a straight line";
	*ret = s;
}

double shape_at(const struct shape *s, double t_s)
{
	if (s->pattern == PATTERN_NONE)
		return NAN;
	return fit_at(&s->fit, (t_s - s->start_s) / (s->end_s - s->start_s));
}
