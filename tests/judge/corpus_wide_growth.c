/*
 * Families of shapes beyond series A, with growth: what other people's generators and real programs
 * show. Labels are what a careful person would say; `also` what that person could not argue
 * against.
 */
#include <string.h>

#include "corpus_window.h"

static bool chance(struct window *w, double probability)
{
	return rng_unit(w->r) < probability;
}

/* --- linear --- */

static void linear_plain(struct window *w)
{
	memcpy(w->shape, w->x, w->n * sizeof(*w->x));
}

static void linear_from(struct window *w)
{
	double from = rng_between(w->r, 0, 0.8);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = shape_clip(w->x[i], from, 1);
	if (from > 0.45)
		w->also |= ALSO_EXPONENTIAL | ALSO_SUSTAINED;
}

static void linear_warm(struct window *w)
{
	double tau = 1 / rng_between(w->r, 8, 60);

	linear_plain(w);
	for (size_t i = 0; i < w->n; i++)
		w->other[i] = shape_saturating(w->x[i], tau);
	for (int k = rng_below(w->r, 3); k > 0; k--)
		shape_step(w, w->other, rng_between(w->r, 0.01, 0.3), rng_between(w->r, 0.1, 0.5));
	shape_scale(w->other, w->n);
	w->other_share = rng_scale(w->r, 0.1, 5);
	if (w->other_share > 0.5)
		w->also |= ALSO_SUSTAINED;
}

static void linear_spikes(struct window *w)
{
	int spikes = 1 + rng_below(w->r, 5);

	linear_plain(w);
	for (int k = 0; k < spikes; k++) {
		double width = rng_between(w->r, 0.3 * w->step, 0.05);

		shape_pulse(w, w->other, rng_between(w->r, 0.03, 0.95), width,
			    rng_between(w->r, 0.4, 1), chance(w, 0.4));
	}
	w->other_sigmas = rng_scale(w->r, 5, 60);
	w->hidden = ALSO_SPIKE;
}

/* Down by less than the line gains. */
static void linear_stepped(struct window *w)
{
	bool down = chance(w, 0.3);

	linear_plain(w);
	for (int k = 1 + rng_below(w->r, 2); k > 0; k--)
		shape_step(w, w->other, rng_between(w->r, 0.1, 0.9),
			   rng_between(w->r, 0.3, 1) * (down ? -1 : 1));
	w->other_share = rng_scale(w->r, 0.05, down ? 0.25 : 0.7);
	w->also |= ALSO_SUSTAINED;
}

static void linear_restarted(struct window *w)
{
	double at = rng_between(w->r, 0.15, 0.5), before = rng_between(w->r, 0, 1);
	bool leaked = chance(w, 0.6);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = w->x[i] < at ? before + (leaked ? w->x[i] / (1 - at) : 0)
					   : (w->x[i] - at) / (1 - at);
	w->out->restart_t_s[0] = at * w->t_s[w->n - 1];
	w->out->restart_count = 1;
}

static void linear_rippled(struct window *w)
{
	linear_plain(w);
	shape_any_wave(w, w->other, shape_periods(w, 3, 25));
	w->other_share = rng_scale(w->r, 0.03, 0.3);
	w->also |= ALSO_SUSTAINED;
}

static void linear_bent(struct window *w)
{
	double at = rng_between(w->r, 0.25, 0.75), second = rng_scale(w->r, 0.35, 3);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = w->x[i] + fmax(w->x[i] - at, 0) * (second - 1);
	shape_scale(w->shape, w->n);
	w->also |= ALSO_SUSTAINED | (second > 1.3 ? ALSO_EXPONENTIAL : 0);
}

/* Sums of random amounts. */
static void linear_random(struct window *w)
{
	double sum = 0;

	for (size_t i = 1; i < w->n; i++)
		w->shape[i] = sum += rng_exponential(w->r, w->x[i] - w->x[i - 1]);
	shape_scale(w->shape, w->n);
	w->also |= ALSO_SUSTAINED;
}

/* --- exponential --- */

static void exponential_from(struct window *w)
{
	double from = chance(w, 0.6) ? 0 : rng_between(w->r, 0, 0.5);
	double rate = rng_between(w->r, 1.5, 8) / (1 - from);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = w->x[i] > from
				      ? expm1(rate * (w->x[i] - from)) / expm1(rate * (1 - from))
				      : 0;
	w->rate = rate;
	w->from = from;
	if (rate * (1 - from) < 2)
		w->also |= ALSO_LINEAR;
}

static void exponential_rippled(struct window *w)
{
	exponential_from(w);
	shape_any_wave(w, w->other, shape_periods(w, 3, 25));
	w->other_share = rng_scale(w->r, 0.02, 0.25);
	w->also |= ALSO_SUSTAINED;
}

static void exponential_power(struct window *w)
{
	double p = rng_between(w->r, 1.7, 4);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = pow(w->x[i], p);
	w->also |= ALSO_SUSTAINED | (p < 2.2 ? ALSO_LINEAR : 0);
}

static void exponential_warm(struct window *w)
{
	double tau = 1 / rng_between(w->r, 10, 60);

	exponential_from(w);
	for (size_t i = 0; i < w->n; i++)
		w->other[i] = shape_saturating(w->x[i], tau);
	w->other_share = rng_scale(w->r, 0.05, 0.5);
}

/* Capacity that doubles whenever it is full. */
static void exponential_doubling(struct window *w)
{
	double doublings = rng_between(w->r, 3, 9), phase = rng_unit(w->r);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = exp2(floor(doublings * w->x[i] + phase));
	shape_scale(w->shape, w->n);
	w->also |= ALSO_SUSTAINED | (doublings < 5 ? ALSO_STABLE : 0);
}

/* --- sustained --- */

static void sustained_stairs(struct window *w)
{
	int most = (int)w->n / 3 < 30 ? (int)w->n / 3 : 30, stairs = 2 + rng_below(w->r, most - 1);
	double last = 0;

	for (int k = 0; k < stairs; k++) {
		last = (k + rng_between(w->r, 0.1, 0.9)) / stairs;
		shape_step(w, w->shape, last, rng_between(w->r, 0.3, 1.7));
	}
	shape_scale(w->shape, w->n);
	w->also |= (stairs >= 8 ? ALSO_LINEAR : 0) | (stairs <= 3 ? ALSO_STABLE : 0);
}

static void sustained_power(struct window *w)
{
	double kind = rng_unit(w->r), p = rng_between(w->r, 0.3, 0.8),
	       bend = rng_scale(w->r, 2, 25);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = kind < 0.3   ? sqrt(w->x[i])
			      : kind < 0.6 ? pow(w->x[i], p)
					   : log1p(bend * w->x[i]) / log1p(bend);
}

static void sustained_wave(struct window *w)
{
	linear_plain(w);
	if (chance(w, 0.3))
		sustained_power(w);
	shape_any_wave(w, w->other, shape_periods(w, 3, 25));
	w->other_share = rng_scale(w->r, 0.3, 2.5);
	w->hidden = ALSO_OSCILLATING | ALSO_STABLE;
	w->also |= (w->other_share < 0.5 ? ALSO_LINEAR : 0) |
		   (w->other_share > 1.2 ? ALSO_OSCILLATING : 0);
}

/* Grows, pauses, grows; evenly, or ever more often. */
static void sustained_bursts(struct window *w)
{
	double share = rng_between(w->r, 0.15, 0.6), from, length;
	double often = chance(w, 0.3) ? rng_between(w->r, 0.4, 0.8) : 1;
	int bursts = 2 + rng_below(w->r, often < 1 ? 14 : 7);

	for (int k = 0; k < bursts; k++) {
		from = pow((k + rng_between(w->r, 0, 1 - share)) / bursts, often);
		length = pow((k + 1.0) / bursts, often) - pow((double)k / bursts, often);
		for (size_t i = 0; i < w->n; i++)
			w->shape[i] += shape_clip(w->x[i], from, from + share * length);
	}
	shape_scale(w->shape, w->n);
	w->also |= (bursts >= 5 || share > 0.5 ? ALSO_LINEAR : 0) |
		   (often < 0.75 ? ALSO_EXPONENTIAL : 0) | (bursts == 2 ? ALSO_STABLE : 0);
}

/* Logistic, still on its way. */
static void sustained_logistic(struct window *w)
{
	double middle = rng_between(w->r, 0.5, 1.1), steep = rng_between(w->r, 3, 9);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = shape_logistic(w->x[i], middle, steep);
	shape_scale(w->shape, w->n);
	w->also |= ALSO_LINEAR | (middle > 0.75 ? ALSO_EXPONENTIAL : 0) |
		   (middle < 0.75 && steep > 5 ? ALSO_STABLE : 0);
}

static void sustained_compound(struct window *w)
{
	int stairs = 2 + rng_below(w->r, 6);
	double line = rng_between(w->r, 0.3, 1), tau = 1 / rng_between(w->r, 8, 40);

	for (int k = 0; k < stairs; k++)
		shape_step(w, w->shape, (k + rng_unit(w->r)) / stairs, 1.0 / stairs);
	for (size_t i = 0; i < w->n; i++)
		w->shape[i] += line * w->x[i];
	shape_scale(w->shape, w->n);
	for (size_t i = 0; i < w->n; i++)
		w->other[i] = shape_saturating(w->x[i], tau);
	if (chance(w, 0.5))
		shape_any_wave(w, w->other, shape_periods(w, 4, 20));
	shape_scale(w->other, w->n);
	w->other_share = rng_scale(w->r, 0.05, 0.6);
	w->also |= ALSO_LINEAR;
}

#define FAMILY(label, leak, name, make)              \
	{                                            \
		name, PATTERN_##label, leak, 1, make \
	}

const struct family corpus_growth_families[] = {
	FAMILY(LINEAR, true, "line", linear_plain),
	FAMILY(LINEAR, true, "any hinge", linear_from),
	FAMILY(LINEAR, true, "line after warm-up", linear_warm),
	FAMILY(LINEAR, true, "line with spikes", linear_spikes),
	FAMILY(LINEAR, true, "line with steps", linear_stepped),
	FAMILY(LINEAR, true, "line after restart", linear_restarted),
	FAMILY(LINEAR, true, "line with ripples", linear_rippled),
	FAMILY(LINEAR, true, "bent line", linear_bent),
	FAMILY(LINEAR, true, "random sums", linear_random),
	{ "any exponential", PATTERN_EXPONENTIAL, true, 2.5, exponential_from },
	FAMILY(EXPONENTIAL, true, "exponential, ripples", exponential_rippled),
	FAMILY(EXPONENTIAL, true, "steep power", exponential_power),
	FAMILY(EXPONENTIAL, true, "exponential, warm-up", exponential_warm),
	FAMILY(EXPONENTIAL, true, "doubling", exponential_doubling),
	{ "any stairs", PATTERN_SUSTAINED, true, 2, sustained_stairs },
	{ "root or log", PATTERN_SUSTAINED, true, 2, sustained_power },
	{ "wave on growth", PATTERN_SUSTAINED, true, 2.5, sustained_wave },
	FAMILY(SUSTAINED, true, "growth with pauses", sustained_bursts),
	FAMILY(SUSTAINED, true, "logistic under way", sustained_logistic),
	FAMILY(SUSTAINED, true, "compound", sustained_compound),
};

const size_t corpus_growth_count = sizeof(corpus_growth_families) / sizeof(*corpus_growth_families);
