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

#define COLUMNS (6 + BASIS_MAX + 1)

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

/* Noise that is proportional to the level, or changes with time. */
static void set_scale(struct making *m)
{
	for (size_t i = 0; i < m->w.n; i++) {
		double level = m->base + m->size * m->shape[i] + m->other_size * m->other[i];

		m->scale[i] = m->noise.multiplicative ? fmax(level / m->base, 0.01) : 1;
		if (m->noise.drift > 0)
			m->scale[i] *= pow(m->noise.drift, m->x[i] - 0.5);
	}
}

static double draw_d1(struct making *m)
{
	static const double targets[] = { 3, 4, 6, 8, 12, 20, 50, 200 };
	double target = m->wide ? rng_scale(&m->r, 3, 400) : targets[rng_below(&m->r, 8)];

	return target * (m->noise.quiet ? 20 : 1);
}

static int choose_size(struct making *m)
{
	double sigma = noise_sigma(&m->noise), d1, d2;

	set_scale(m);
	m->size = m->w.sigmas * sigma;
	if (m->w.sigmas <= 0) {
		if (making_distances(m, 1, 0, &d1, &d2))
			return -ENOMEM;
		m->size = draw_d1(m) / fmax(d1, 1e-12);
	}
	if (m->noise.clean && m->w.sigmas != SIGMAS_NONE)
		m->size = m->base * rng_scale(&m->r, 1e-3, 2);
	m->other_size = m->w.other_share * m->size;
	m->other_size += m->noise.clean && m->w.other_sigmas > 0
				 ? m->size * rng_scale(&m->r, 0.1, 3)
				 : m->w.other_sigmas * sigma;
	if (!m->wide) /* nothing falls below zero */
		m->base = fmax(m->base, 0.1 * (m->size + m->other_size));
	set_scale(m);
	return 0;
}

/* Rounding; mostly so fine that the shape is seen in spite of it. */
static void choose_quantum(struct making *m)
{
	static const double quanta[] = { 4096, 65536, 135168, 1048576 };
	static const double more[] = { 0,     0,     0,	     1,	      4096,    4096,	4096,
				       16384, 65536, 135168, 1048576, 4194304, 67108864 };
	double visible = fmax(m->size, m->other_size), least = visible / 5;

	if (m->wide)
		m->quantum = more[rng_below(&m->r, sizeof(more) / sizeof(*more))];
	else
		m->quantum = quanta[rng_below(&m->r, 4)];
	if (m->wide && m->base < 1e5)
		m->quantum = rng_unit(&m->r) < 0.7 ? 1 : 0;
	m->quantum = fmin(m->quantum, m->base);
	if (m->w.sigmas == SIGMAS_NONE || rng_unit(&m->r) < 0.1)
		return;
	for (int i = 3; i-- > 0 && m->quantum > least;)
		m->quantum = fmin(m->quantum, quanta[i]);
	if (m->quantum > least)
		m->quantum = least > 1 ? floor(least) : 0;
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

static void set_values(struct making *m, double *ret_largest)
{
	struct labelled *l = m->w.out;
	double low = 0;

	for (size_t i = 0; i < l->n; i++) {
		l->value[i] = m->base + m->size * m->shape[i] + m->other_size * m->other[i];
		low = fmin(low, l->value[i]);
	}
	for (size_t i = 0; i < l->n; i++)
		l->value[i] -= low;
	m->base -= low;
	*ret_largest = noise_add(&m->noise, &m->r, l->t_s, m->scale, l->n, l->value);
	quantise(l->value, l->n, m->quantum);
	for (size_t i = 0; i < l->n; i++)
		l->value[i] = fmax(l->value[i], 0);
}

static int make_window(struct making *m, const struct family *f)
{
	struct labelled *l = m->w.out;
	double largest;

	f->make(&m->w);
	if (choose_size(m))
		return -ENOMEM;
	choose_quantum(m);
	if (making_distances(m, m->size, m->quantum, &l->d1, &l->d2))
		return -ENOMEM;
	set_values(m, &largest);
	if (making_accept(m, f))
		return -ENOMEM;
	if (largest > 6 && l->accept & ALSO_STABLE)
		l->accept |= ALSO_SPIKE;
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
	m->alternative = m->white + n;
	m->basis = m->alternative + n;
	sampling_times(&m->sampling, &m->r, n, l->t_s);
	for (size_t i = 0; i < n; i++)
		m->x[i] = l->t_s[i] / l->t_s[n - 1];
	m->w = (struct window){ .r = &m->r,
				.n = n,
				.t_s = l->t_s,
				.x = m->x,
				.shape = m->shape,
				.other = m->other,
				.out = l,
				.step = m->sampling.dt_s / l->t_s[n - 1] };
	return 0;
}

static int finish(struct making *m, const struct family *family, size_t n, struct labelled *ret)
{
	struct labelled l = {};
	int r = making_init(m, n, &l);

	if (r == 0)
		r = make_window(m, family);
	free(m->memory);
	if (r) {
		labelled_done(&l);
		return r;
	}
	*ret = l;
	return 0;
}

int corpus_window(uint64_t seed, uint64_t number, size_t n, struct labelled *ret)
{
	struct making m = { .r = rng_new(seed, number * 8192 + n) };
	const struct family *family;

	if (n < 8 || n > CORPUS_POINTS_MAX)
		return -EINVAL;
	m.r.state = rng_bits(&m.r); /* streams of neighbouring numbers would be shifted copies */
	m.sampling = sampling_protocol(&m.r);
	m.base = pow(10, rng_between(&m.r, 6.7, 9.6));
	m.noise = noise_protocol(&m.r, m.base, m.sampling.dt_s, n);
	family = draw_family(&m.r, corpus_protocol_families, corpus_protocol_count);
	return finish(&m, family, n, ret);
}

int corpus_window_wide(uint64_t seed, uint64_t number, size_t n, struct labelled *ret)
{
	struct making m = { .r = rng_new(~seed, number * 8192 + n), .wide = true };
	const struct family *family;
	double which;

	if ((n && n < 8) || n > CORPUS_POINTS_MAX)
		return -EINVAL;
	m.r.state = rng_bits(&m.r);
	if (n == 0)
		n = (size_t)rng_scale(&m.r, 8, 1200);
	m.sampling = sampling_wide(&m.r);
	m.base = rng_unit(&m.r) < 0.08 ? rng_scale(&m.r, 1, 1e4) : rng_scale(&m.r, 1e6, 1e11);
	m.noise = noise_wide(&m.r, m.base, m.sampling.dt_s, n);
	which = rng_unit(&m.r);
	if (which < 0.35)
		family = draw_family(&m.r, corpus_protocol_families, corpus_protocol_count);
	else if (which < 0.7)
		family = draw_family(&m.r, corpus_calm_families, corpus_calm_count);
	else
		family = draw_family(&m.r, corpus_growth_families, corpus_growth_count);
	return finish(&m, family, n, ret);
}

int corpus_window_idle(uint64_t seed, uint64_t number, size_t n, struct labelled *ret)
{
	struct making m = { .r = rng_new(seed ^ 0x1d1e, number * 8192 + n) };

	if (n < 8 || n > CORPUS_POINTS_MAX)
		return -EINVAL;
	m.r.state = rng_bits(&m.r);
	m.wide = rng_unit(&m.r) < 0.5;
	m.sampling = m.wide ? sampling_wide(&m.r) : sampling_protocol(&m.r);
	m.base = rng_scale(&m.r, 1e6, 1e11);
	m.noise = (m.wide ? noise_wide : noise_protocol)(&m.r, m.base, m.sampling.dt_s, n);
	return finish(&m, &corpus_protocol_families[0], n, ret); /* the flat one */
}
