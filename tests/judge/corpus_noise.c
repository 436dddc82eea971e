#include "corpus_noise.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sampling sampling_protocol(struct rng *r)
{
	static const double dt[] = { 1, 1, 2, 5 };
	struct sampling s = { .dt_s = dt[rng_below(r, 4)] };

	if (rng_unit(r) < 0.35)
		s.jitter = rng_between(r, 0.02, 0.2);
	if (rng_unit(r) < 0.25) {
		s.missing = rng_between(r, 0.02, 0.1);
		if (rng_unit(r) < 0.4)
			s.gap = rng_between(r, 0.05, 0.15);
	}
	return s;
}

struct sampling sampling_wide(struct rng *r)
{
	struct sampling s = { .dt_s = rng_unit(r) < 0.4 ? 1 : rng_scale(r, 0.1, 300) };

	if (rng_unit(r) < 0.05)
		s.random = true;
	else if (rng_unit(r) < 0.4)
		s.jitter = rng_scale(r, 0.005, 0.4);
	if (rng_unit(r) < 0.25)
		s.missing = rng_scale(r, 0.01, 0.3);
	if (rng_unit(r) < 0.12)
		s.gap = rng_between(r, 0.02, 0.3);
	return s;
}

void sampling_times(const struct sampling *s, struct rng *r, size_t n, double *t_s)
{
	size_t gap_at = s->gap > 0 ? 1 + (size_t)rng_below(r, (int)n - 1) : n;
	double step = 0;

	for (size_t i = 0; i < n; i++) {
		if (s->random)
			step += rng_exponential(r, 1) + 1e-3 - 1;
		t_s[i] = step + (s->jitter > 0 ? s->jitter * rng_between(r, -1, 1) : 0);
		step += 1;
		while (s->missing > 0 && rng_unit(r) < s->missing)
			step += 1;
		if (i + 1 == gap_at)
			step += floor(s->gap * (double)n);
	}
	for (size_t i = n; i-- > 0;)
		t_s[i] = s->dt_s * (t_s[i] - t_s[0]);
}

struct noise noise_protocol(struct rng *r, double base, double dt_s, size_t n)
{
	static const double memories[] = { 3, 8, 25 };
	int kind = rng_below(r, 10);
	bool quiet = kind >= 8;
	double high = pow(10, quiet ? -4.5 : -1.7), low = pow(10, quiet ? -5.5 : -4.5);
	double sigma = fmax(2000, base * rng_scale(r, low, high)), memory = 0;
	struct noise k = { .quiet = quiet, .tails = kind == 2 ? TAILS_STUDENT : TAILS_NORMAL };

	if (kind >= 3 && kind <= 5)
		memory = memories[kind - 3];
	k.multiplicative = kind == 6 || kind == 7;
	if (kind == 7)
		memory = 5;
	memory = fmin(memory, (double)n / 12);
	k.memory_s = memory * dt_s;
	k.white = memory > 0 ? 0 : sigma;
	k.slow = memory > 0 ? sigma : 0;
	return k;
}

struct noise noise_wide(struct rng *r, double base, double dt_s, size_t n)
{
	double sigma = base * rng_scale(r, 1e-6, 0.06), slow_share = rng_unit(r);
	double memory = fmin(rng_scale(r, 1, 60), (double)n / 10);
	struct noise k = { .white = sigma, .memory_s = dt_s };

	k.clean = rng_unit(r) < 0.06;
	k.quiet = rng_unit(r) < 0.12;
	k.multiplicative = rng_unit(r) < 0.15;
	if (rng_unit(r) < 0.35)
		k.tails = (enum tails)(1 + rng_below(r, 3));
	if (rng_unit(r) < 0.15)
		k.drift = rng_scale(r, 0.2, 5);
	if (rng_unit(r) < 0.1) {
		k.hold = rng_between(r, 0.2, 0.9);
		memory = -1 / log(k.hold);
		slow_share = 1; /* so that whitening knows; noise_add() holds instead */
	} else if (rng_unit(r) < 0.5 || memory < 0.5) {
		slow_share = 0;
	}
	k.memory_s = memory * dt_s;
	if (k.clean)
		sigma = base * 1e-7;
	k.slow = sigma * sqrt(slow_share);
	k.white = sigma * sqrt(1 - slow_share);
	if (rng_unit(r) < 0.06) {
		k.outliers = rng_scale(r, 0.2 / (double)n, 0.03);
		k.outlier_size = rng_scale(r, 5, 100);
	}
	return k;
}

double noise_sigma(const struct noise *k)
{
	return hypot(k->white, k->slow);
}

static double student3(struct rng *r) /* unit variance */
{
	double z = rng_normal(r), a = rng_normal(r), b = rng_normal(r), c = rng_normal(r);

	return z / sqrt(a * a + b * b + c * c);
}

static double white(enum tails tails, struct rng *r) /* unit variance */
{
	double u;

	switch (tails) {
	case TAILS_STUDENT: return student3(r);
	case TAILS_LAPLACE: u = rng_exponential(r, M_SQRT1_2); return rng_unit(r) < 0.5 ? u : -u;
	case TAILS_UNIFORM: return rng_between(r, -sqrt(3), sqrt(3));
	default: return rng_normal(r);
	}
}

void noise_slow_path(struct rng *r, const double *t_s, size_t n, double memory_s, double *ret)
{
	double z = rng_normal(r), rho;

	for (size_t i = 0; i < n; i++) {
		if (i > 0) {
			rho = exp(-(t_s[i] - t_s[i - 1]) / memory_s);
			z = rho * z + sqrt(1 - rho * rho) * rng_normal(r);
		}
		ret[i] = z;
	}
}

/* One point; slow is the state of the part with a memory. */
static double noise_at(const struct noise *k, struct rng *r, double interval_s, double *slow)
{
	double e, rho;

	if (k->hold > 0)
		return noise_sigma(k) * white(k->tails, r);
	if (k->slow > 0) {
		rho = exp(-interval_s / k->memory_s);
		*slow = rho * *slow + sqrt(1 - rho * rho) * rng_normal(r);
	}
	e = k->slow * *slow;
	return k->white > 0 ? e + k->white * white(k->tails, r) : e;
}

double noise_add(const struct noise *k, struct rng *r, const double *t_s, const double *scale,
		 size_t n, double *value)
{
	double slow = rng_normal(r), e = 0, wild, sigma = noise_sigma(k), largest = 0;

	if (k->clean)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || k->hold <= 0 || rng_unit(r) >= k->hold)
			e = noise_at(k, r, i ? t_s[i] - t_s[i - 1] : 0, &slow);
		wild = 0;
		if (k->outliers > 0 && rng_unit(r) < k->outliers)
			wild = sigma * k->outlier_size * rng_between(r, -1, 1);
		largest = fmax(largest, fabs(e + wild) / sigma);
		value[i] += (e + wild) * (scale ? scale[i] : 1);
	}
	return largest;
}

int whitener_init(const struct noise *k, const double *t_s, const double *scale, size_t n,
		  double quantum, struct whitener *ret)
{
	double slow2 = k->slow * k->slow, p = slow2, white2, s, rho = 0;
	struct whitener w = { .n = n, .unit = malloc(4 * n * sizeof(double)) };

	if (!w.unit)
		return -ENOMEM;
	w.gain = w.unit + n;
	w.weight = w.gain + n;
	w.carry = w.weight + n;
	for (size_t i = 0; i < n; i++) {
		w.unit[i] = scale ? 1 / scale[i] : 1;
		white2 = k->white * k->white + pow(quantum * w.unit[i], 2) / 12 + 1e-6;
		s = p + white2;
		w.gain[i] = p / s;
		w.weight[i] = 1 / sqrt(s);
		if (i + 1 < n && slow2 > 0)
			rho = exp(-(t_s[i + 1] - t_s[i]) / k->memory_s);
		w.carry[i] = rho;
		p = rho * rho * p * (1 - w.gain[i]) + slow2 * (1 - rho * rho);
	}
	*ret = w;
	return 0;
}

void whitener_done(struct whitener *w)
{
	free(w->unit);
	w->unit = NULL;
}

void whitener_apply(const struct whitener *w, const double *column, double *ret)
{
	double expected = 0, news;

	for (size_t i = 0; i < w->n; i++) {
		news = column[i] * w->unit[i] - expected;
		ret[i] = news * w->weight[i];
		expected = w->carry[i] * (expected + w->gain[i] * news);
	}
}

static double product(const double *a, const double *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

double basis_distance(const struct basis *b, const double *white_column, double *rest)
{
	double *v = rest ? rest : b->column + BASIS_MAX * b->n, along;

	memcpy(v, white_column, b->n * sizeof(*v));
	for (size_t k = 0; k < b->count; k++) {
		along = product(v, b->column + k * b->n, b->n);
		for (size_t i = 0; i < b->n; i++)
			v[i] -= along * b->column[k * b->n + i];
	}
	return sqrt(product(v, v, b->n));
}

void basis_add(struct basis *b, const double *white_column)
{
	double *v = b->column + b->count * b->n;
	double before = sqrt(product(white_column, white_column, b->n)), norm;

	if (b->count == BASIS_MAX)
		return;
	norm = basis_distance(b, white_column, v);
	if (!(norm > 1e-6 * before))
		return;
	for (size_t i = 0; i < b->n; i++)
		v[i] /= norm;
	b->count++;
}

void quantise(double *value, size_t n, double quantum)
{
	if (quantum > 0)
		for (size_t i = 0; i < n; i++)
			value[i] = quantum * floor(value[i] / quantum);
}
