/* What makes the memory of a sound process grow, for a while or for ever. */
#include <stdlib.h>

#include "corpus_stream.h"

double maker_height(struct maker *m)
{
	return rng_scale(&m->rng, 4, 60);
}

void maker_warm_up(struct maker *m, double tau)
{
	double height = rng_scale(&m->rng, 5, 200);

	for (size_t i = m->from; i < m->n; i++)
		m->y[i] += height * (1 - exp(-(double)(i - m->from) / tau));
}

static void step(struct maker *m, double at, double height)
{
	for (size_t i = 0; i < m->n; i++)
		m->y[i] += (double)i >= at ? height : 0;
}

static double part(struct maker *m, double low, double high) /* of the length */
{
	return (double)m->n * rng_between(&m->rng, low, high);
}

/* Rises from 0 to 1 between two samples. */
static double ramp(double i, double from, double length)
{
	return fmin(fmax((i - from) / length, 0), 1);
}

static void nothing(struct maker *m)
{
	(void)m;
}

static void collections(struct maker *m)
{
	double period = rng_scale(&m->rng, 15, 240), height = maker_height(m), phase = 0, this = 1;
	double jitter = rng_unit(&m->rng) < 0.5 ? rng_between(&m->rng, 0, 0.3) : 0;

	for (size_t i = 0; i < m->n; i++) {
		m->y[i] += height * phase * this;
		phase += 1 / (period * this);
		if (phase < 1)
			continue;
		phase = 0;
		this = 1 + jitter * rng_between(&m->rng, -1, 1);
	}
}

static void wave(struct maker *m, double period)
{
	double height = maker_height(m) / 2, phase = rng_between(&m->rng, 0, 2 * M_PI);
	double second = rng_between(&m->rng, 0, 0.3);

	for (size_t i = 0; i < m->n; i++) {
		double a = 2 * M_PI * (double)i / period + phase;

		m->y[i] += height * (sin(a) + second * sin(2 * a + 1));
	}
}

static void day(struct maker *m)
{
	wave(m, rng_between(&m->rng, 400, 1500));
}

static void part_of_day(struct maker *m)
{
	wave(m, part(m, 1, 4));
}

static void few_steps(struct maker *m)
{
	int count = 1 + rng_below(&m->rng, 3);

	while (count--)
		step(m, part(m, 0, 1), maker_height(m) * (rng_unit(&m->rng) < 0.7 ? 1 : -1));
}

static void bursts(struct maker *m)
{
	double gap = rng_scale(&m->rng, 40, 400), next = rng_exponential(&m->rng, gap);
	double decay = rng_scale(&m->rng, 3, 40), now = 0, height = maker_height(m);

	for (size_t i = 0; i < m->n; i++) {
		now *= exp(-1 / decay);
		for (; next <= (double)i; next += rng_exponential(&m->rng, gap))
			now += height * rng_between(&m->rng, 0.3, 1);
		m->y[i] += now;
	}
}

static void slow_noise(struct maker *m, double memory, double height, bool ratchet)
{
	double z = rng_normal(&m->rng), rho = exp(-1 / memory), high = -INFINITY;

	for (size_t i = 0; i < m->n; i++) {
		if (i == m->from)
			high = z;
		high = fmax(high, z);
		m->y[i] += height * (ratchet ? high : z);
		z = rho * z + sqrt(1 - rho * rho) * rng_normal(&m->rng);
	}
}

static void high_water(struct maker *m)
{
	slow_noise(m, rng_scale(&m->rng, 5, 200), rng_scale(&m->rng, 3, 20), true);
}

static void wandering(struct maker *m)
{
	slow_noise(m, part(m, 0.05, 0.125), rng_scale(&m->rng, 2, 10), false);
}

static void load_ramp(struct maker *m)
{
	double length = rng_between(&m->rng, 60, 300), at = part(m, 0, 0.7);
	double height = maker_height(m);

	for (size_t i = 0; i < m->n; i++)
		m->y[i] += height * ramp((double)i, at, length);
}

static void log_fill(struct maker *m)
{
	double end = part(m, 0.25, 0.6), scale = end / rng_scale(&m->rng, 3, 100);
	double height = maker_height(m) / log1p(end / scale);

	for (size_t i = 0; i < m->n; i++)
		m->y[i] += height * log1p(fmin((double)i, end) / scale);
}

static void restarted(struct maker *m)
{
	double drop = maker_height(m);

	m->from = (size_t)part(m, 0.1, 0.6);
	for (size_t i = 0; i < m->from; i++)
		m->y[i] += drop * (1 + ramp((double)i, 0, (double)m->from));
	maker_warm_up(m, rng_scale(&m->rng, 10, 200));
	m->out->restart_count = 1;
}

/* --- what series B lacks --------------------------------------------------------------------- */

static void long_warm_up(struct maker *m)
{
	maker_warm_up(m, part(m, 0.1, 0.5));
}

static void cache_for_ever(struct maker *m) /* along a logarithm or a root */
{
	double power = rng_between(&m->rng, 0.3, 0.6), scale = part(m, 0.01, 0.3);
	double height = rng_scale(&m->rng, 10, 300);
	bool logarithm = rng_unit(&m->rng) < 0.5;

	for (size_t i = 0; i < m->n; i++)
		m->y[i] += logarithm
				   ? height * log1p((double)i / scale) / log1p((double)m->n / scale)
				   : height * pow((double)i / (double)m->n, power);
}

static void line_to_a_cap(struct maker *m)
{
	double height = maker_height(m), end = part(m, 0.05, 0.5);

	for (size_t i = 0; i < m->n; i++)
		m->y[i] += height * ramp((double)i, 0, end);
}

static void staged_load(struct maker *m)
{
	int stages = 2 + rng_below(&m->rng, 5);
	double each = (double)m->n / (stages + 1), height = maker_height(m);
	double length = each * rng_between(&m->rng, 0.01, 0.4);
	double up = rng_between(&m->rng, 0.5, 1);

	for (int k = 1; k <= stages; k++) {
		double at = each * (k - 0.5 + rng_between(&m->rng, 0, 0.5));
		double sign = rng_unit(&m->rng) < up && k <= stages * 0.7 ? 1 : -1;

		for (size_t i = 0; i < m->n; i++)
			m->y[i] += sign * height * ramp((double)i, at, length);
	}
}

static void batches(struct maker *m)
{
	double period = part(m, 0.05, 0.5), busy = rng_between(&m->rng, 0.2, 0.8);
	double height = maker_height(m), decay = rng_scale(&m->rng, 1, 20), now = 0, target = 0;
	double rise = period * busy * rng_between(&m->rng, 0.05, 1), phase = rng_unit(&m->rng);

	for (size_t i = 0; i < m->n; i++) {
		double was = phase;

		phase = fmod(phase + 1 / period, 1);
		if (phase < was)
			target = height * rng_between(&m->rng, 0.6, 1.1);
		if (phase < busy)
			now = fmin(now + height / rise, target);
		else
			now *= exp(-1 / decay);
		m->y[i] += now;
	}
}

static void arenas(struct maker *m) /* rare large steps, as an allocator's heaps make */
{
	int count = 1 + rng_below(&m->rng, 6);
	double height = rng_scale(&m->rng, 10, 300), slow = part(m, 0.1, 0.4);

	while (count--)
		step(m, fmin(rng_exponential(&m->rng, slow), 2.0 * m->n), height);
}

static void grows_while_cut(struct maker *m) /* a peak's slack, then growth into it */
{
	double height = maker_height(m), at = part(m, 0.1, 0.6), length = part(m, 0.02, 0.2);
	double kept = rng_between(&m->rng, 0, 0.9);

	for (size_t i = 0; i < m->n; i++)
		m->y[i] += height * (ramp((double)i, at, length) -
				     (1 - kept) * ramp((double)i, at + length, length));
}

static void two_of_them(struct maker *m)
{
	stream_nuisances[rng_below(&m->rng, stream_nuisance_count - 2)].add(m);
	stream_nuisances[rng_below(&m->rng, stream_nuisance_count - 2)].add(m);
}

const struct nuisance stream_nuisances[] = {
	{ "gc", collections },
	{ "diurnal", day },
	{ "steps", few_steps },
	{ "bursts", bursts },
	{ "ratchet", high_water },
	{ "load ramp", load_ramp },
	{ "near-unit-root", wandering },
	{ "log fill", log_fill },
	{ "plain", nothing },
	{ "restart", restarted },
};
const int stream_nuisance_count = sizeof(stream_nuisances) / sizeof(*stream_nuisances);

const struct nuisance wide_nuisances[] = {
	{ "long warm-up", long_warm_up },
	{ "cache for ever", cache_for_ever },
	{ "line to a cap", line_to_a_cap },
	{ "staged load", staged_load },
	{ "part of a day", part_of_day },
	{ "batches", batches },
	{ "arenas", arenas },
	{ "peak", grows_while_cut },
	{ "two", two_of_them },
	{ "restart", restarted },
	{ "plain", nothing },
};
const int wide_nuisance_count = sizeof(wide_nuisances) / sizeof(*wide_nuisances);
