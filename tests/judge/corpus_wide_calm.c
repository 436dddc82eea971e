/*
 * Families of shapes beyond series A, without growth: what other people's generators and real
 * programs show. Labels are what a careful person would say; `also` what that person could not
 * argue against.
 */
#include <string.h>

#include "corpus_window.h"

static bool chance(struct window *w, double probability)
{
	return rng_unit(w->r) < probability;
}

/* --- stable --- */

static void stable_nothing(struct window *w)
{
	w->sigmas = SIGMAS_NONE;
}

static void stable_levelled(struct window *w)
{
	double middle = rng_between(w->r, 0.1, 0.4);
	double steep = rng_between(w->r, 5, 9) / fmax(0.65 - middle, 0.25);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = shape_logistic(w->x[i], middle, steep);
	shape_scale(w->shape, w->n);
	w->sigmas = rng_scale(w->r, 6, 400);
}

/* Growth of any kind that has stopped for the last third or longer. */
static void stable_stopped(struct window *w)
{
	double stop = rng_between(w->r, 0.25, 0.67), kind = rng_unit(w->r);
	double rate = rng_between(w->r, 1.5, 5), power = rng_between(w->r, 0.4, 0.8), x;
	int stairs = 3 + rng_below(w->r, 6);

	for (size_t i = 0; i < w->n; i++) {
		x = fmin(w->x[i] / stop, 1);
		w->shape[i] = kind < 0.5    ? x
			      : kind < 0.65 ? expm1(rate * x) / expm1(rate)
			      : kind < 0.8  ? pow(x, power)
					    : floor(x * stairs) / stairs;
	}
	w->sigmas = rng_scale(w->r, 8, 400);
}

static void stable_warm_up(struct window *w)
{
	double fast = 1 / rng_between(w->r, 15, 60), slow = 1 / rng_between(w->r, 4.5, 12);
	double share = rng_unit(w->r);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = share * shape_saturating(w->x[i], fast) +
			      (1 - share) * shape_saturating(w->x[i], slow);
	for (int k = rng_below(w->r, 4); k > 0; k--)
		shape_step(w, w->shape, rng_between(w->r, 0.01, 0.4), rng_between(w->r, 0.05, 0.4));
	shape_scale(w->shape, w->n);
	w->sigmas = rng_scale(w->r, 5, 400);
}

static void stable_step(struct window *w)
{
	double at = rng_between(w->r, 0.06, 0.9);

	shape_step(w, w->shape, at, 1);
	w->sigmas = rng_scale(w->r, 5, 200);
	if (at > 0.8)
		w->also |= ALSO_SPIKE;
}

static void stable_steps(struct window *w)
{
	int steps = 2 + rng_below(w->r, 4);

	for (int k = 0; k < steps; k++)
		shape_step(w, w->shape, rng_between(w->r, 0.03, 0.55), rng_between(w->r, -0.3, 1));
	shape_scale(w->shape, w->n);
	w->sigmas = rng_scale(w->r, 8, 200);
}

static void stable_decline(struct window *w)
{
	double kind = rng_unit(w->r), tau = rng_between(w->r, 0.1, 0.8);
	int stairs = 2 + rng_below(w->r, 10);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = kind < 0.4   ? 1 - w->x[i]
			      : kind < 0.8 ? exp(-w->x[i] / tau)
					   : 1 - floor(w->x[i] * stairs) / stairs;
	w->sigmas = rng_scale(w->r, 4, 300);
}

/* A peak of some length, part of which stays. */
static void stable_after_peak(struct window *w)
{
	double from = rng_between(w->r, 0.02, 0.3), top = from + rng_between(w->r, 0.02, 0.15);
	double until = top + rng_between(w->r, 0.12, 0.3), kept = rng_between(w->r, 0.1, 0.8);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = shape_clip(w->x[i], from, top) -
			      (1 - kept) * shape_clip(w->x[i], until, until + 0.05);
	w->sigmas = rng_scale(w->r, 8, 200);
	if (kept < 0.5)
		w->also |= ALSO_SPIKE;
}

static void stable_wander(struct window *w)
{
	double memory = w->t_s[w->n - 1] / rng_scale(w->r, 4, 30), sum = 0, size = 0, trend;

	noise_slow_path(w->r, w->t_s, w->n, memory, w->shape);
	for (size_t i = 0; i < w->n; i++) {
		sum += w->shape[i] * (w->x[i] - 0.5);
		size += w->shape[i] * w->shape[i];
	}
	trend = sum / sqrt(size * (double)w->n / 12);
	w->sigmas = rng_scale(w->r, 1, 15);
	w->also |= ALSO_OSCILLATING;
	if (trend > 0.6) /* nobody can know that this comes back */
		w->also |= ALSO_LINEAR | ALSO_SUSTAINED;
	w->chance = true;
}

static void stable_restarts(struct window *w)
{
	int count = 1 + rng_below(w->r, 3);
	double span = w->t_s[w->n - 1], at = 0, next, level, slope, tau;

	for (int k = 0; k <= count; k++) {
		next = k < count ? at + rng_between(w->r, 0.1, 0.6 / count) : 2;
		level = rng_between(w->r, 0.5, 1);
		slope = k < count && chance(w, 0.4) ? rng_between(w->r, 0, 2) : 0;
		tau = rng_between(w->r, 0.002, 0.1) * fmin(1 - at, next - at);
		for (size_t i = 0; i < w->n; i++)
			if (w->x[i] >= at && w->x[i] < next)
				w->shape[i] =
					level * shape_saturating(w->x[i] - at + w->step, tau) +
					slope * (w->x[i] - at);
		if (k < count)
			w->out->restart_t_s[k] = next * span;
		at = next;
	}
	w->out->restart_count = (size_t)count;
	shape_scale(w->shape, w->n);
	w->sigmas = rng_scale(w->r, 10, 300);
}

/* Fills to a bound, then evicts in bursts. */
static void stable_evicting(struct window *w)
{
	double full = rng_between(w->r, 0.1, 0.55), bend = rng_scale(w->r, 0.5, 30);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = log1p(bend * fmin(w->x[i] / full, 1)) / log1p(bend);
	shape_wave(w, w->other, WAVE_SAW, shape_periods(w, 8, 60), 0.2, 0.3);
	for (size_t i = 0; i < w->n; i++)
		w->other[i] = w->x[i] > full ? -w->other[i] : 0;
	w->other_share = rng_scale(w->r, 0.02, 0.2);
	w->sigmas = rng_scale(w->r, 8, 200);
	w->also |= ALSO_OSCILLATING;
}

/* A cache filled by popularity: each key that is new comes more seldom. Its end is not in sight. */
static void stable_popular(struct window *w)
{
	double bend = rng_scale(w->r, 40, 2000);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] = log1p(bend * w->x[i]) / log1p(bend);
	w->sigmas = rng_scale(w->r, 5, 300);
	w->also |= ALSO_SUSTAINED;
}

/* Load that came and went. */
static void stable_hump(struct window *w)
{
	double middle = rng_between(w->r, 0.3, 0.6), half = rng_between(w->r, 0.15, 0.3), away;
	bool round = chance(w, 0.6);

	for (size_t i = 0; i < w->n; i++) {
		away = fmin(fabs(w->x[i] - middle) / half, 1);
		w->shape[i] = round ? 0.5 + 0.5 * cos(M_PI * away) : 1 - away;
	}
	w->sigmas = rng_scale(w->r, 6, 200);
	w->also |= ALSO_SPIKE | ALSO_OSCILLATING;
}

static void stable_dips(struct window *w)
{
	for (int k = 1 + rng_below(w->r, 3); k > 0; k--)
		shape_pulse(w, w->shape, rng_between(w->r, 0.05, 0.85),
			    rng_between(w->r, 0.3 * w->step, 0.08), -rng_between(w->r, 0.4, 1),
			    chance(w, 0.4));
	shape_scale(w->shape, w->n);
	w->sigmas = rng_scale(w->r, 6, 200);
	w->also |= ALSO_SPIKE;
}

/* --- spike --- */

static void spike_any(struct window *w)
{
	double width = rng_scale(w->r, fmax(0.5 * w->step, 0.004), 0.12), middle, at;
	bool bell = chance(w, 0.35);

	at = rng_between(w->r, 0.01, 0.97 - width);
	middle = at + width / 2;
	for (size_t i = 0; bell && i < w->n; i++)
		w->shape[i] = exp(-0.5 * pow((w->x[i] - middle) / fmax(width / 3, w->step), 2));
	if (!bell)
		shape_pulse(w, w->shape, at, width, 1, chance(w, 0.5));
	w->sigmas = rng_scale(w->r, 6, 300);
	if (width > 0.1)
		w->also |= ALSO_STABLE;
}

static void spike_box(struct window *w)
{
	double width = rng_between(w->r, 0.06, 0.3);

	shape_pulse(w, w->shape, rng_between(w->r, 0.1, 0.85 - width), width, 1, false);
	w->sigmas = rng_scale(w->r, 6, 200);
	if (width > 0.09)
		w->also |= ALSO_STABLE;
}

static void spike_several(struct window *w)
{
	int pulses = 2 + rng_below(w->r, 5);

	for (int k = 0; k < pulses; k++)
		shape_pulse(w, w->shape, rng_between(w->r, 0.02, 0.95),
			    rng_between(w->r, 0.3 * w->step, 0.04), rng_between(w->r, 0.3, 1),
			    chance(w, 0.4));
	shape_scale(w->shape, w->n);
	w->sigmas = rng_scale(w->r, 8, 300);
	if (pulses >= 4)
		w->also |= ALSO_OSCILLATING;
}

static void spike_last(struct window *w)
{
	double width = fmax(rng_between(w->r, 0.01, 0.06), 0.9 * w->step);

	shape_pulse(w, w->shape, 1 - width, width, 1, false);
	w->sigmas = rng_scale(w->r, 6, 200);
	w->also |= ALSO_STABLE;
}

static void spike_single(struct window *w)
{
	int points = 1 + rng_below(w->r, 3);

	for (int k = 0; k < points; k++)
		w->shape[1 + rng_below(w->r, (int)w->n - 2)] = rng_between(w->r, 0.5, 1);
	shape_scale(w->shape, w->n);
	w->sigmas = rng_scale(w->r, 10, 300);
	w->also |= ALSO_STABLE; /* or bad readings */
}

/* --- oscillating --- */

static void size_wave(struct window *w)
{
	w->sigmas = rng_scale(w->r, 5, 200);
}

static void wave_any(struct window *w)
{
	double periods = shape_periods(w, 2.5, 60);

	shape_any_wave(w, w->shape, periods);
	size_wave(w);
	if (periods < 3.2)
		w->also |= ALSO_STABLE;
}

static void wave_double(struct window *w)
{
	double first = shape_periods(w, 3, 25), second = shape_periods(w, 3, 40);
	double share = rng_between(w->r, 0.2, 1);

	shape_wave(w, w->shape, WAVE_SINE, first, 0, 0);
	for (size_t i = 0; i < w->n; i++)
		w->shape[i] += share * sin(2 * M_PI * (second * w->x[i]));
	shape_scale(w->shape, w->n);
	size_wave(w);
}

static void wave_chirp(struct window *w)
{
	double from = shape_periods(w, 2.5, 15), to = shape_periods(w, 2.5, 15);
	double phase = rng_unit(w->r);

	for (size_t i = 0; i < w->n; i++)
		w->shape[i] =
			0.5 +
			0.5 * sin(2 * M_PI *
				  (phase + from * w->x[i] + (to - from) * w->x[i] * w->x[i] / 2));
	size_wave(w);
}

/* On a base that drifts up and down, or down. */
static void wave_drifting(struct window *w)
{
	double half = rng_between(w->r, 0.6, 1.5), phase = rng_unit(w->r), kind = rng_unit(w->r);

	shape_any_wave(w, w->shape, shape_periods(w, 4, 40));
	for (size_t i = 0; i < w->n; i++)
		w->other[i] = kind < 0.6   ? 0.5 + 0.5 * sin(2 * M_PI * (phase + half * w->x[i]))
			      : kind < 0.8 ? 1 - w->x[i]
					   : shape_saturating(w->x[i], 0.05);
	size_wave(w);
	w->other_share = rng_scale(w->r, 0.1, 1);
	if (w->other_share > 0.5)
		w->also |= ALSO_STABLE;
}

/* Jumps between two levels at random moments. */
static void wave_telegraph(struct window *w)
{
	double mean = 1 / shape_periods(w, 8, 40), left = 0, level = 0, before = 0;
	int flips = 0;

	for (size_t i = 0; i < w->n; i++) {
		left -= w->x[i] - before;
		before = w->x[i];
		if (left <= 0) {
			left = mean * rng_between(w->r, 0.3, 1.7);
			level = 1 - level;
			flips++;
		}
		w->shape[i] = level;
	}
	size_wave(w);
	w->also |= ALSO_STABLE | (flips < 10 ? ALSO_SPIKE : 0);
}

static void wave_stepped(struct window *w)
{
	double at = rng_between(w->r, 0.1, 0.6);

	shape_any_wave(w, w->shape, shape_periods(w, 4, 40));
	shape_step(w, w->other, at, 1);
	size_wave(w);
	w->other_share = rng_scale(w->r, 0.3, 3);
	w->also |= ALSO_STABLE;
	if (at > 0.4) /* too late to see that it was the only one */
		w->also |= ALSO_SUSTAINED;
}

/* Short work at regular times. */
static void wave_jobs(struct window *w)
{
	double periods = shape_periods(w, 4, 20), phase = rng_unit(w->r);
	double duty = rng_between(w->r, 0.06, 0.25), decay = chance(w, 0.5) ? duty : 0, at;

	for (size_t i = 0; i < w->n; i++) {
		at = fmod(periods * w->x[i] + phase, 1);
		w->shape[i] = decay > 0 ? exp(-at / decay) : at < duty;
	}
	size_wave(w);
	w->also |= ALSO_SPIKE | ALSO_STABLE;
}

#define FAMILY(label, leak, name, make)              \
	{                                            \
		name, PATTERN_##label, leak, 1, make \
	}

const struct family corpus_calm_families[] = {
	{ "nothing", PATTERN_STABLE, false, 1.6, stable_nothing },
	FAMILY(STABLE, false, "levelled off", stable_levelled),
	FAMILY(STABLE, false, "growth stopped", stable_stopped),
	FAMILY(STABLE, false, "long warm-up", stable_warm_up),
	FAMILY(STABLE, false, "any step", stable_step),
	FAMILY(STABLE, false, "early steps", stable_steps),
	FAMILY(STABLE, false, "decline", stable_decline),
	FAMILY(STABLE, false, "kept after a peak", stable_after_peak),
	FAMILY(STABLE, false, "any wander", stable_wander),
	FAMILY(STABLE, false, "restarts", stable_restarts),
	FAMILY(STABLE, false, "evicting cache", stable_evicting),
	FAMILY(STABLE, false, "popularity", stable_popular),
	FAMILY(STABLE, false, "hump", stable_hump),
	FAMILY(STABLE, false, "dips", stable_dips),
	{ "any pulse", PATTERN_SPIKE, false, 2.5, spike_any },
	FAMILY(SPIKE, false, "up and down", spike_box),
	FAMILY(SPIKE, false, "several pulses", spike_several),
	FAMILY(SPIKE, false, "pulse at the end", spike_last),
	FAMILY(SPIKE, false, "wild points", spike_single),
	{ "any wave", PATTERN_OSCILLATING, false, 3, wave_any },
	FAMILY(OSCILLATING, false, "two waves", wave_double),
	FAMILY(OSCILLATING, false, "chirp", wave_chirp),
	FAMILY(OSCILLATING, false, "drifting wave", wave_drifting),
	FAMILY(OSCILLATING, false, "telegraph", wave_telegraph),
	FAMILY(OSCILLATING, false, "wave with a step", wave_stepped),
	FAMILY(OSCILLATING, false, "jobs", wave_jobs),
};

const size_t corpus_calm_count = sizeof(corpus_calm_families) / sizeof(*corpus_calm_families);
