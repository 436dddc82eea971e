/* The families of shapes of series A. */
#include <string.h>

#include "corpus_window.h"

/* --- stable --- */

static void make_flat(struct window *w)
{
	w->sigmas = SIGMAS_NONE;
}

static void make_warm_up(struct window *w)
{
	double tau = 1 / rng_between(w->r, 5, 20);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = shape_saturating(w->x[i], tau);
	w->sigmas = rng_scale(w->r, 5, 200);
}

static void make_cache(struct window *w)
{
	double full = rng_between(w->r, 0.25, 0.6), bend = rng_scale(w->r, 5, 50);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = log1p(bend * fmin(w->x[i] / full, 1)) / log1p(bend);
	w->sigmas = rng_scale(w->r, 6, 200);
}

static void make_step(struct window *w)
{
	double at = rng_between(w->r, 0.15, 0.75);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = w->x[i] >= at;
	w->sigmas = rng_scale(w->r, 5, 100);
}

static void make_steps(struct window *w)
{
	int steps = 2 + rng_below(w->r, 2);

	for (int k = 0; k < steps; k++) {
		double at = rng_between(w->r, 0.05, 0.5), height = rng_between(w->r, 0.3, 1);

		for (size_t i = 0; i < w->n; i++)
			w->shape[i] += w->x[i] >= at ? height : 0;
	}
	shape_scale(w->shape, w->n);
	w->sigmas = rng_scale(w->r, 8, 150);
}

static void make_ramp(struct window *w)
{
	double from = rng_between(w->r, 0, 0.25), to = from + rng_between(w->r, 0.15, 0.4);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = shape_clip(w->x[i], from, to);
	w->sigmas = rng_scale(w->r, 8, 150);
}

/* The highest level so far of noise whose memory is short beside the window: rises ever more
 * seldom. */
static void make_ratchet(struct window *w)
{
	double memory = fmin(rng_scale(w->r, 3, 25), (double)w->n / 12) * w->step;
	int rises = 0;
	size_t last = 0;

	noise_slow_path(w->r, w->t_s, w->n, memory * w->t_s[w->n - 1], w->shape);
	for (size_t i = 1; i < w->n; i++) {
		if (w->shape[i] > w->shape[i - 1]) {
			rises++;
			last = i;
		}
		w->shape[i] = fmax(w->shape[i], w->shape[i - 1]);
	}
	shape_scale(w->shape, w->n);
	w->sigmas = rng_scale(w->r, 3, 30);
	if (rises >= 4 && w->x[last] > 0.8) /* may be a staircase */
		w->also |= ALSO_SUSTAINED;
}

static void make_shrink(struct window *w)
{
	double from = rng_between(w->r, 0, 0.5), to = from + rng_between(w->r, 0.02, 0.5);
	int kind = rng_below(w->r, 3);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = kind == 0	  ? 1 - shape_clip(w->x[i], from, to)
			      : kind == 1 ? 1 - shape_saturating(w->x[i] - from, to - from)
					  : w->x[i] < to;
	w->sigmas = rng_scale(w->r, 6, 150);
}

static void make_restart(struct window *w)
{
	double at = rng_between(w->r, 0.2, 0.6), tau = (1 - at) / rng_between(w->r, 6, 25);
	double before = rng_between(w->r, 0, 1), level = rng_between(w->r, 0.4, 1);
	bool grew = rng_unit(w->r) < 0.4;

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = w->x[i] < at ? 1 + (grew ? before * w->x[i] / at : 0)
					   : level * shape_saturating(w->x[i] - at + w->step, tau);
	shape_scale(w->shape, w->n);
	w->sigmas = rng_scale(w->r, 10, 200);
	w->out->restart_t_s[0] = at * w->t_s[w->n - 1];
	w->out->restart_count = 1;
}

static void make_wander(struct window *w)
{
	double memory = w->t_s[w->n - 1] / rng_between(w->r, 5, 12);

	noise_slow_path(w->r, w->t_s, w->n, memory, w->shape);
	w->sigmas = rng_scale(w->r, 2, 15);
	w->chance = true;
}

/* --- linear --- */

static void make_linear(struct window *w)
{
	memcpy(w->shape, w->x, w->n * sizeof(*w->x));
}

static void make_warm_linear(struct window *w)
{
	double tau = 1 / rng_between(w->r, 8, 25);

	make_linear(w);
	for (size_t i = 0; i < w->n; i++)
		w->other[i] = shape_saturating(w->x[i], tau);
	w->other_share = rng_scale(w->r, 0.2, 1);
}

static void make_hinge(struct window *w)
{
	double at = rng_between(w->r, 0.15, 0.5);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = shape_clip(w->x[i], at, 1);
}

static void make_linear_burst(struct window *w)
{
	double width = rng_between(w->r, 0.02, 0.08);

	make_linear(w);
	shape_pulse(w, w->other, rng_between(w->r, 0.1, 0.9 - width), width, 1,
		    rng_unit(w->r) < 0.3);
	w->other_sigmas = rng_scale(w->r, 5, 40);
	w->hidden = ALSO_SPIKE;
}

/* --- exponential --- */

static void grow(struct window *w, double from, double rate)
{
	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = w->x[i] > from ? expm1(rate * (w->x[i] - from)) : 0;
	for (size_t i = 0; i < w->n; i++)
		w->shape[i] /= expm1(rate * (1 - from));
	w->rate = rate;
	w->from = from;
}

static void make_exponential(struct window *w)
{
	grow(w, 0, rng_between(w->r, 2, 5));
}

static void make_late_exponential(struct window *w)
{
	double from = rng_between(w->r, 0.1, 0.4);

	grow(w, from, rng_between(w->r, 2, 5) / (1 - from));
}

/* --- spike --- */

static void make_pulse(struct window *w)
{
	double width = fmax(rng_between(w->r, 0.01, 0.08), 0.9 * w->step);

	shape_pulse(w, w->shape, rng_between(w->r, 0.05, 0.9 - width), width, 1,
		    rng_unit(w->r) < 0.5);
	w->sigmas = rng_scale(w->r, 6, 60);
}

static void make_last_pulse(struct window *w)
{
	double width = fmax(rng_between(w->r, 0.01, 0.06), 0.9 * w->step);

	shape_pulse(w, w->shape, 1 - width, width, 1, false);
	w->sigmas = rng_scale(w->r, 6, 60);
}

static void make_pulses(struct window *w)
{
	int pulses = 2 + rng_below(w->r, 2);

	for (int k = 0; k < pulses; k++) {
		double width = fmax(rng_between(w->r, 0.01, 0.05), 0.9 * w->step);

		shape_pulse(w, w->shape, rng_between(w->r, 0.03, 0.95 - width), width,
			    rng_between(w->r, 0.5, 1), rng_unit(w->r) < 0.3);
	}
	shape_scale(w->shape, w->n);
	w->sigmas = rng_scale(w->r, 8, 60);
}

/* --- sustained --- */

static void make_staircase(struct window *w)
{
	int stairs = 4 + rng_below(w->r, 9);

	if (stairs > (int)w->n / 3)
		stairs = (int)w->n / 3;
	for (int k = 0; k < stairs; k++) {
		double at = (k + rng_between(w->r, 0.15, 0.85)) / stairs;
		double height = rng_between(w->r, 0.5, 1.5);

		for (size_t i = 0; i < w->n; i++)
			w->shape[i] += w->x[i] >= at ? height : 0;
	}
	shape_scale(w->shape, w->n);
	if (stairs >= 10)
		w->also |= ALSO_LINEAR;
}

static void make_power(struct window *w)
{
	double p = rng_between(w->r, 0.35, 0.75);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = pow(w->x[i], p);
}

static void lift(struct window *w)
{
	make_linear(w);
	w->other_share = rng_scale(w->r, 0.3, 2);
	w->hidden = ALSO_OSCILLATING | ALSO_STABLE;
	if (w->other_share < 0.4)
		w->also |= ALSO_LINEAR;
	if (w->other_share > 1.5)
		w->also |= ALSO_OSCILLATING;
}

static void make_lifted_saw(struct window *w)
{
	lift(w);
	shape_wave(w, w->other, WAVE_SAW, shape_periods(w, 3, 15), 0.1, 0.1);
}

static void make_lifted_load(struct window *w)
{
	lift(w);
	shape_wave(w, w->other, WAVE_SINE, shape_periods(w, 2.5, 12), 0, 0);
}

/* --- oscillating --- */

static void oscillate(struct window *w, enum wave kind, double jitter)
{
	shape_wave(w, w->shape, kind, shape_periods(w, 3, 25), jitter, jitter / 2);
	w->sigmas = rng_scale(w->r, 4, 60) * (kind == WAVE_SINE ? 2 : 1);
}

static void make_saw(struct window *w)
{
	oscillate(w, WAVE_SAW, 0);
}

static void make_sine(struct window *w)
{
	oscillate(w, WAVE_SINE, 0);
}

static void make_square(struct window *w)
{
	oscillate(w, WAVE_SQUARE, 0);
}

static void make_triangle(struct window *w)
{
	oscillate(w, WAVE_TRIANGLE, 0);
}

static void make_irregular(struct window *w)
{
	oscillate(w, (enum wave)rng_below(w->r, WAVES), 0.3);
}

#define STABLE(name, weight, make)                                      \
	{                                                               \
		name, PATTERN_STABLE, false, 0.30 * (weight) / 10, make \
	}
#define LINEAR(name, make)                                 \
	{                                                  \
		name, PATTERN_LINEAR, true, 0.15 / 4, make \
	}
#define EXPONENTIAL(name, make)                                 \
	{                                                       \
		name, PATTERN_EXPONENTIAL, true, 0.12 / 2, make \
	}
#define SPIKE(name, make)                                  \
	{                                                  \
		name, PATTERN_SPIKE, false, 0.12 / 3, make \
	}
#define SUSTAINED(name, make)                                 \
	{                                                     \
		name, PATTERN_SUSTAINED, true, 0.18 / 4, make \
	}
#define OSCILLATING(name, make)                                  \
	{                                                        \
		name, PATTERN_OSCILLATING, false, 0.13 / 5, make \
	}

const struct family corpus_protocol_families[] = {
	STABLE("flat", 1, make_flat),
	STABLE("warm-up", 1, make_warm_up),
	STABLE("cache", 1, make_cache),
	STABLE("step", 1, make_step),
	STABLE("steps", 1, make_steps),
	STABLE("ramp", 1, make_ramp),
	STABLE("ratchet", 1, make_ratchet),
	STABLE("shrink", 1, make_shrink),
	STABLE("restart", 1, make_restart),
	STABLE("wander", 1, make_wander),
	LINEAR("linear", make_linear),
	LINEAR("warm-up, linear", make_warm_linear),
	LINEAR("flat, linear", make_hinge),
	LINEAR("linear, burst", make_linear_burst),
	EXPONENTIAL("exponential", make_exponential),
	EXPONENTIAL("late exponential", make_late_exponential),
	SPIKE("pulse", make_pulse),
	SPIKE("last pulse", make_last_pulse),
	SPIKE("pulses", make_pulses),
	SUSTAINED("staircase", make_staircase),
	SUSTAINED("power", make_power),
	SUSTAINED("lifted saw", make_lifted_saw),
	SUSTAINED("lifted load", make_lifted_load),
	OSCILLATING("saw", make_saw),
	OSCILLATING("sine", make_sine),
	OSCILLATING("square", make_square),
	OSCILLATING("triangle", make_triangle),
	OSCILLATING("irregular", make_irregular),
};

const size_t corpus_protocol_count =
	sizeof(corpus_protocol_families) / sizeof(*corpus_protocol_families);
