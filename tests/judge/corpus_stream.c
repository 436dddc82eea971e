/*
 * Series B: 1,800 samples of a process from its start, with a nuisance, half of them with a leak;
 * and a wide variant: 120 to 4,096 samples, nuisances that last as long as what is seen, next to no
 * noise in some, and processes that had been running before.
 */
#include "corpus_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEN_POINTS 900 /* after the onset: what is detectable is told by then */

enum course { LINE, EXPONENTIAL, STAIRS, POWER, COURSES };

struct leak {
	enum course course;
	size_t onset;
	double slope; /* sigmas a sample, over the first SEEN_POINTS samples */
	double shape; /* exponent, growth rate, samples a stair */
};

static const enum pattern course_pattern[COURSES] = {
	[LINE] = PATTERN_LINEAR,
	[EXPONENTIAL] = PATTERN_EXPONENTIAL,
	[STAIRS] = PATTERN_SUSTAINED,
	[POWER] = PATTERN_SUSTAINED,
};

/* wide: often from the start, as leaks are that come with the load. */
static struct leak leak_draw(struct rng *r, size_t n, bool wide)
{
	double latest = wide && rng_unit(r) < 0.3 ? 0.05 : 0.5;
	int kind = rng_below(r, 6);
	struct leak l = { .course = kind < 3 ? LINE : (enum course)(kind - 2) };

	l.onset = (size_t)rng_between(r, 0, latest * (double)n);
	l.slope = rng_scale(r, 1e-3, 2) * pow(1800.0 / (double)n, 1.2);
	if (l.course == EXPONENTIAL)
		l.shape = rng_between(r, 2, 5) / (double)(n - l.onset);
	else if (l.course == STAIRS)
		l.shape = rng_scale(r, 15, 150);
	else if (l.course == POWER)
		l.shape = rng_between(r, 0.35, 0.75);
	return l;
}

/* Growth in sigmas after k samples of leaking. */
static double leak_height(const struct leak *l, double k)
{
	double all = l->slope * SEEN_POINTS;

	switch (l->course) {
	case EXPONENTIAL: return all * expm1(l->shape * k) / expm1(l->shape * SEEN_POINTS);
	case STAIRS: return l->slope * l->shape * floor(k / l->shape);
	case POWER: return all * pow(k / SEEN_POINTS, l->shape);
	default: return l->slope * k;
	}
}

/* How visible the leak is SEEN_POINTS after its onset, beside a constant and a warm-up. */
static int see_leak(const struct maker *m, const struct noise *noise, const double *growth,
		    size_t onset, double tau)
{
	struct labelled *l = m->out;
	size_t from = m->from > m->seen ? m->from : m->seen;
	size_t end = onset + SEEN_POINTS < l->n ? onset + SEEN_POINTS : l->n, n = end - from;
	double *room = calloc((BASIS_MAX + 4) * n, sizeof(double));
	double *column = room, *white = room + n;
	struct basis basis = { .n = n, .column = room + 2 * n };
	struct whitener w;

	if (!room || whitener_init(noise, l->t_s + from, NULL, n, l->quantum, &w)) {
		free(room);
		return -ENOMEM;
	}
	for (int k = 0; k < 2; k++) {
		for (size_t i = 0; i < n; i++)
			column[i] = k && tau > 0 ? exp(-(double)(from - m->from + i) / tau) : 1;
		whitener_apply(&w, column, white);
		basis_add(&basis, white);
	}
	for (size_t i = 0; i < n; i++)
		column[i] = growth[from + i] * m->unit;
	whitener_apply(&w, column, white);
	l->d1 = basis_distance(&basis, white, NULL);
	l->d2 = (growth[end - 1] - growth[from]) * m->unit / fmax(l->sigma, l->quantum);
	whitener_done(&w);
	free(room);
	return 0;
}

static double quantum_draw(struct rng *r, double sigma)
{
	static const double quanta[] = { 4096, 4096, 65536, 135168, 1048576 };
	double q = quanta[rng_below(r, 5)];
	bool reduced = rng_unit(r) < 0.9;

	while (reduced && q > 4096 && q > 2 * sigma)
		q = fmax(q / 16, 4096);
	return q;
}

static int add_leak(struct maker *m, const struct noise *noise, double tau, double *growth)
{
	struct labelled *l = m->out;
	struct leak leak = leak_draw(&m->rng, m->n, m->wide);
	size_t seen;

	if (leak.onset < m->from)
		leak.onset = m->from;
	for (size_t i = leak.onset; i < m->n; i++) {
		growth[i] = leak_height(&leak, (double)(i - leak.onset));
		m->y[i] += growth[i];
	}
	l->leak = true;
	l->label = course_pattern[leak.course];
	seen = leak.onset > m->seen ? leak.onset : m->seen;
	l->onset_s = l->t_s[seen];
	l->rate_per_s = leak.slope * m->unit / (l->t_s[m->n - 1] / (double)(m->n - 1));
	return see_leak(m, noise, growth, seen, tau);
}

/* All in sigmas so far: to bytes, with noise and rounding. */
static int finish(struct maker *m, const struct noise *noise, double base, double *scale)
{
	struct labelled *l = m->out;

	for (size_t i = 0; i < m->n; i++) {
		l->value[i] = base + m->unit * m->y[i];
		scale[i] = fmax(l->value[i], base / 10) / base;
	}
	noise_add(noise, &m->rng, l->t_s, noise->multiplicative ? scale : NULL, m->n, l->value);
	quantise(l->value, m->n, l->quantum);
	for (size_t i = 0; i < m->n; i++)
		l->value[i] = fmax(l->value[i], 0);
	l->restart_count = l->restart_count && m->from > m->seen;
	if (l->restart_count)
		l->restart_t_s[0] = l->t_s[m->from];
	l->n -= m->seen;
	memmove(l->t_s, l->t_s + m->seen, l->n * sizeof(double));
	memmove(l->value, l->value + m->seen, l->n * sizeof(double));
	l->accept = 1u << l->label;
	return 0;
}

static int make(struct maker *m, const struct nuisance *nuisance, double tau, double *room)
{
	struct labelled *l = m->out;
	struct sampling sampling = sampling_protocol(&m->rng);
	double base = pow(10, rng_between(&m->rng, 6.7, 9.6));
	bool leaks = rng_unit(&m->rng) < 0.5;
	struct noise noise;
	int r;

	sampling_times(&sampling, &m->rng, m->n, l->t_s);
	noise = noise_protocol(&m->rng, base, sampling.dt_s, m->n);
	m->unit = noise_sigma(&noise);
	if (m->wide && rng_unit(&m->rng) < 0.3) { /* next to none */
		double share = rng_scale(&m->rng, 1e-3, 0.3);

		noise.white *= share;
		noise.slow *= share;
	}
	l->sigma = noise_sigma(&noise);
	l->quantum = quantum_draw(&m->rng, m->unit);
	l->onset_s = l->rate_per_s = NAN;
	l->label = PATTERN_STABLE;
	snprintf(l->family, sizeof(l->family), "%s", nuisance->name);
	m->y = room;
	if (tau > 0)
		maker_warm_up(m, tau);
	nuisance->add(m);
	if (leaks) {
		r = add_leak(m, &noise, tau, room + m->n);
		if (r)
			return r;
	}
	return finish(m, &noise, base, room + m->n);
}

static int corpus_make(struct rng rng, size_t n, bool wide, struct labelled *ret)
{
	const struct nuisance *nuisances = wide ? wide_nuisances : stream_nuisances;
	int count = wide ? wide_nuisance_count : stream_nuisance_count;
	struct labelled l = { .n = n };
	struct maker m = { .rng = rng, .n = n, .out = &l, .wide = wide };
	double *room = calloc(2 * n, sizeof(double)), tau = 0;
	int which, r;

	l.t_s = calloc(n, sizeof(double));
	l.value = calloc(n, sizeof(double));
	which = rng_below(&m.rng, count);
	if (rng_unit(&m.rng) < 0.6)
		tau = rng_between(&m.rng, 10, 200);
	if (wide && rng_unit(&m.rng) < 0.4) /* attached to while it was running */
		m.seen = (size_t)rng_between(&m.rng, 0.1 * (double)n, 0.6 * (double)n);
	r = room && l.t_s && l.value ? make(&m, &nuisances[which], tau, room) : -ENOMEM;
	free(room);
	if (r)
		labelled_done(&l);
	else
		*ret = l;
	return r;
}

int corpus_stream(uint64_t seed, uint64_t number, struct labelled *ret)
{
	return corpus_make(rng_new(seed, number ^ 0x5b00000000), 1800, false, ret);
}

int corpus_stream_wide(uint64_t seed, uint64_t number, struct labelled *ret)
{
	struct rng r = rng_new(seed, number ^ 0x5bd0000000);
	size_t n = (size_t)rng_scale(&r, 300, CORPUS_POINTS_MAX);

	return corpus_make(r, n, true, ret);
}
