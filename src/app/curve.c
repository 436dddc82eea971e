/* The same words and grades as in a live run, of a process of which nothing else is known. */
#include "app/curve.h"

#include <errno.h>
#include <math.h>

#include "analyse/recommend.h"

#define CONFIDENCE_MAX 0.8

double curve_confidence(double leak_probability)
{
	return fmin(leak_probability, CONFIDENCE_MAX);
}

enum severity curve_severity(const struct severity_cfg *cfg, const struct shape *s,
			     double leak_probability)
{
	const struct severity_figures f = { .bytes = s->total_growth,
					    .bytes_per_s = s->growth_per_s,
					    .count = NAN,
					    .count_per_s = NAN,
					    .confidence = curve_confidence(leak_probability) };

	return shape_grows(s) ? severity_judge(cfg, &f) : SEVERITY_LOW;
}

int curve_advice(const struct shape *s, bool leak, char **ret)
{
	const struct recommend_facts f = {
		.subject = leak ? 0 : SUBJECT_PROCESS,
		.class = CLASS_unexplained,
		.type = LEAK_UNKNOWN,
		.pattern = s->pattern,
		.size_bytes = s->total_growth,
		.bytes_per_s = s->growth_per_s,
		.count = NAN,
	};

	*ret = NULL;
	return shape_grows(s) ? recommend_write(&f, ret) : 0;
}

void curve_forecast(const struct shape_input *points, const struct shape *s, double limit,
		    struct forecast *ret)
{
	struct shape_input in = *points;

	while (in.n > SHAPE_POINTS_MIN && in.t_s[0] < s->start_s) {
		in.t_s++;
		in.value++;
		in.n--;
	}
	forecast_limit(&in, s, limit, ret);
}
