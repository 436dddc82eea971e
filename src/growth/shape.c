/*
 * The judgement of one window: it is made ready (window.c), shapes are fitted (fit.c), statistics
 * taken (window_stats.c), and a network says which pattern they are typical of (net_pattern.inc,
 * learned by tests/judge/train_pattern.c).
 */
#include "growth/shape.h"

#include <math.h>

#include "growth/mlp.h"
#include "growth/net_pattern.inc"
#include "growth/shape_tell.h"

#define OUTPUTS (PATTERN_MAX - 1) /* output i is pattern i + 1 */
#define CONSTANT_SURE 0.995	  /* nothing moved at all: stable, as far as was seen */

_Static_assert(NET_INPUTS == WINDOW_INPUTS, "the statistics changed: make train");
_Static_assert(NET_INPUTS <= MLP_INPUTS_MAX && NET_HIDDEN0 <= MLP_WIDTH_MAX, "see mlp.h");

static const struct mlp net = {
	.inputs = NET_INPUTS,
	.hidden = { NET_HIDDEN0, NET_HIDDEN1 },
	.outputs = OUTPUTS,
	.mean = net_mean,
	.scale = net_scale,
	.weight = { net_weight0, net_weight1, net_weight2 },
	.bias = { net_bias0, net_bias1, net_bias2 },
};

/* How often a pattern of this probability is an answer that nobody can argue against. */
static double confidence_of(double p)
{
	double odds = log(p / fmax(1 - p, 1e-9));

	return 1 / (1 + exp(-net_confidence[0] - net_confidence[1] * odds));
}

static void set_pattern(const double *p, struct shape *s)
{
	s->pattern = PATTERN_STABLE;
	s->p[PATTERN_NONE] = 0;
	for (int i = 0; i < OUTPUTS; i++) {
		s->p[i + 1] = p[i];
		if (p[i] > s->p[s->pattern])
			s->pattern = i + 1;
	}
	s->confidence = s->p[s->pattern];
	s->leak_probability =
		fmin(s->p[PATTERN_LINEAR] + s->p[PATTERN_EXPONENTIAL] + s->p[PATTERN_SUSTAINED], 1);
}

static void judge_constant(const struct window *w, struct shape *s)
{
	double p[OUTPUTS];

	for (int i = 0; i < OUTPUTS; i++)
		p[i] = (1 - CONSTANT_SURE) / (OUTPUTS - 1);
	p[PATTERN_STABLE - 1] = CONSTANT_SURE;
	set_pattern(p, s);
	s->growth_per_s = s->growth_low_per_s = s->growth_high_per_s = 0;
	s->fit = (struct fit){ .kind = FIT_CONSTANT, .n = w->n, .a = w->offset };
	s->why = "no value differs from another";
}

static void judge_window(const struct window *w, struct shape *s)
{
	double stats[WINDOW_INPUTS], p[OUTPUTS];
	struct fit fits[FIT_KINDS];
	float logit[OUTPUTS];

	window_fit(w, fits);
	window_stats(w, fits, stats);
	mlp_run(&net, stats, logit);
	mlp_softmax(logit, OUTPUTS, net_temperature, p);
	set_pattern(p, s);
	s->confidence = confidence_of(s->confidence);
	shape_tell(w, fits, s->pattern, s);
	s->why = shape_why(stats, s->pattern);
}

void shape_judge(const struct shape_input *in, struct shape *ret)
{
	struct shape s = { .growth_per_s = NAN,
			   .growth_low_per_s = NAN,
			   .growth_high_per_s = NAN,
			   .why = "too few points" };
	struct window w;

	*ret = s;
	if (window_prepare(in, &w))
		return;
	s.start_s = w.start_s;
	s.end_s = w.start_s + w.span_s;
	s.points = w.raw;
	if (w.constant)
		judge_constant(&w, &s);
	else
		judge_window(&w, &s);
	*ret = s;
}

double shape_at(const struct shape *s, double t_s)
{
	double x = (t_s - s->start_s) / (s->end_s - s->start_s);

	if (s->pattern == PATTERN_NONE || !isfinite(x))
		return NAN;
	return fit_at(&s->fit, x);
}
