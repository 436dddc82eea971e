/* Labelled windows: a family's shape, made as visible as asked, in noise. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpus_window.h"

void labelled_done(struct labelled *l)
{
	free(l->t_s);
	free(l->value);
	l->t_s = l->value = NULL;
}

/* What is known while a window is made; memory is one piece. */
struct making {
	struct rng r;
	struct sampling sampling;
	struct noise noise;
	double base, size, other_size, quantum;
	double *memory; /* owned */
	double *x, *shape, *other, *scale, *white, *basis;
	struct window w;
};

#define COLUMNS (5 + BASIS_MAX + 1)

static const struct family *draw_family(struct rng *r, const struct family *families, size_t count)
{
	double sum = 0, at;

	for (size_t i = 0; i < count; i++)
		sum += families[i].weight;
	at = sum * rng_unit(r);
	for (size_t i = 0; i < count; i++) {
		at -= families[i].weight;
		if (at < 0)
			return &families[i];
	}
	return &families[count - 1];
}

/* d1 of size * shape from the nuisance, a constant and other; d2 of all that is no noise from a
 * line. */
static int distances(const struct making *m, double size, double quantum, double *ret_d1,
		     double *ret_d2)
{
	struct basis b = { .n = m->w.n, .column = m->basis };
	struct whitener whitener;

	if (whitener_init(&m->noise, m->w.t_s, m->scale, b.n, quantum, &whitener))
		return -ENOMEM;
	for (size_t i = 0; i < b.n; i++)
		m->white[i] = 1;
	whitener_apply(&whitener, m->white, m->white);
	basis_add(&b, m->white);
	whitener_apply(&whitener, m->w.other, m->white);
	basis_add(&b, m->white);
	whitener_apply(&whitener, m->w.shape, m->white);
	*ret_d1 = size * basis_distance(&b, m->white, NULL);
	b.count = 1;
	whitener_apply(&whitener, m->x, m->white);
	basis_add(&b, m->white);
	for (size_t i = 0; i < b.n; i++)
		m->white[i] = size * m->w.shape[i] + m->other_size * m->w.other[i];
	whitener_apply(&whitener, m->white, m->white);
	*ret_d2 = basis_distance(&b, m->white, NULL);
	whitener_done(&whitener);
	return 0;
}

/* Noise that is proportional to the level. */
static void set_scale(struct making *m)
{
	for (size_t i = 0; i < m->w.n; i++) {
		double level = m->base + m->size * m->w.shape[i] + m->other_size * m->w.other[i];

		m->scale[i] = m->noise.multiplicative ? fmax(level / m->base, 0.01) : 1;
	}
}

static int choose_size(struct making *m)
{
	static const double targets[] = { 3, 4, 6, 8, 12, 20, 50, 200 };
	double sigma = noise_sigma(&m->noise), d1, d2, target;

	for (size_t i = 0; i < m->w.n; i++)
		m->scale[i] = 1;
	m->size = m->w.sigmas * sigma;
	if (m->w.sigmas <= 0) {
		target = targets[rng_below(&m->r, 8)] * (m->noise.quiet ? 20 : 1);
		if (distances(m, 1, 0, &d1, &d2))
			return -ENOMEM;
		m->size = target / fmax(d1, 1e-12);
	}
	m->other_size = m->w.other_share * m->size + m->w.other_sigmas * sigma;
	/* nothing falls below zero */
	m->base = fmax(m->base, 0.1 * (m->size + m->other_size));
	set_scale(m);
	return 0;
}

static void choose_quantum(struct making *m)
{
	static const double quanta[] = { 4096, 65536, 135168, 1048576 };
	double visible = fmax(m->size, m->other_size);

	m->quantum = quanta[rng_below(&m->r, 4)];
	if (m->w.sigmas == 1e-9 || rng_unit(&m->r) < 0.1)
		return;
	for (int i = 3; i-- > 0 && m->quantum > visible / 5;)
		m->quantum = fmin(m->quantum, quanta[i]);
	if (m->quantum > visible / 5)
		m->quantum = fmax(1, floor(visible / 5));
}

static void set_accept(struct making *m, const struct family *f)
{
	struct labelled *l = m->w.out;

	l->accept = ACCEPT(f->label) | m->w.also;
	if (m->w.chance || m->w.sigmas == 1e-9)
		return;
	if (l->d1 < 4 || m->size < 2.5 * m->quantum)
		l->accept |= m->w.hidden ? m->w.hidden : ACCEPT(PATTERN_STABLE);
	if (m->other_size > 5 * m->size && m->w.hidden)
		l->accept |= m->w.hidden;
	if (l->d2 < 5 && (f->leak || f->label == PATTERN_STABLE) &&
	    m->w.shape[m->w.n - 1] > m->w.shape[0])
		l->accept |= ACCEPT(PATTERN_LINEAR);
}

static void set_rates(struct making *m, const struct family *f)
{
	struct labelled *l = m->w.out;
	double span = m->w.t_s[m->w.n - 1], end;
	size_t last = m->w.n - 1;

	l->rate_per_s = l->onset_s = NAN;
	if (f->label == PATTERN_LINEAR)
		l->rate_per_s = m->size * (m->w.shape[last] - m->w.shape[last - 1]) /
				(m->w.t_s[last] - m->w.t_s[last - 1]);
	if (m->w.rate <= 0)
		return;
	end = m->w.rate * (1 - m->w.from);
	l->rate = m->w.rate / span;
	l->level = m->base - m->size / expm1(end);
	l->rate_per_s = m->size * l->rate * exp(end) / expm1(end);
}

static int make_window(struct making *m, const struct family *f)
{
	struct labelled *l = m->w.out;
	double largest;

	f->make(&m->w);
	if (choose_size(m))
		return -ENOMEM;
	choose_quantum(m);
	if (distances(m, m->size, m->quantum, &l->d1, &l->d2))
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++)
		l->value[i] = m->base + m->size * m->w.shape[i] + m->other_size * m->w.other[i];
	largest = noise_add(&m->noise, &m->r, l->t_s, m->scale, l->n, l->value);
	quantise(l->value, l->n, m->quantum);
	set_accept(m, f);
	if (largest > 6 && f->label == PATTERN_STABLE)
		l->accept |= ACCEPT(PATTERN_SPIKE);
	set_rates(m, f);
	l->sigma = noise_sigma(&m->noise);
	l->quantum = m->quantum;
	l->label = f->label;
	l->leak = f->leak;
	snprintf(l->family, sizeof(l->family), "%s", f->name);
	return 0;
}

static int making_init(struct making *m, size_t n, struct labelled *l)
{
	m->memory = calloc(COLUMNS * n, sizeof(*m->memory));
	l->n = n;
	l->t_s = calloc(n, sizeof(*l->t_s));
	l->value = calloc(n, sizeof(*l->value));
	if (!m->memory || !l->t_s || !l->value)
		return -ENOMEM;
	m->x = m->memory;
	m->shape = m->x + n;
	m->other = m->shape + n;
	m->scale = m->other + n;
	m->white = m->scale + n;
	m->basis = m->white + n;
	sampling_times(&m->sampling, &m->r, n, l->t_s);
	for (size_t i = 0; i < n; i++)
		m->x[i] = l->t_s[i] / l->t_s[n - 1];
	m->w = (struct window){ .r = &m->r,
				.n = n,
				.t_s = l->t_s,
				.x = m->x,
				.shape = m->shape,
				.other = m->other,
				.noise = &m->noise,
				.out = l,
				.step = m->sampling.dt_s / l->t_s[n - 1] };
	return 0;
}

int corpus_window(uint64_t seed, uint64_t number, size_t n, struct labelled *ret)
{
	struct making m = { .r = rng_new(seed, number * 8192 + n) };
	const struct family *family;
	struct labelled l = {};
	int r;

	if (n < 8 || n > CORPUS_POINTS_MAX)
		return -EINVAL;
	m.r.state = rng_bits(&m.r); /* streams of neighbouring numbers would be shifted copies */
	m.sampling = sampling_protocol(&m.r);
	m.base = pow(10, rng_between(&m.r, 6.7, 9.6));
	m.noise = noise_protocol(&m.r, m.base, m.sampling.dt_s, n);
	family = draw_family(&m.r, corpus_protocol_families, corpus_protocol_count);
	r = making_init(&m, n, &l);
	if (r == 0)
		r = make_window(&m, family);
	free(m.memory);
	if (r) {
		labelled_done(&l);
		return r;
	}
	*ret = l;
	return 0;
}
