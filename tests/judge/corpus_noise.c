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

void sampling_times(const struct sampling *s, struct rng *r, size_t n, double *t_s)
{
	size_t gap_at = s->gap > 0 ? 1 + (size_t)rng_below(r, (int)n - 1) : n;
	double step = 0;

	for (size_t i = 0; i < n; i++) {
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
	struct noise k = { .quiet = quiet, .student = kind == 2 };

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

double noise_sigma(const struct noise *k)
{
	return hypot(k->white, k->slow);
}

static double student3(struct rng *r) /* unit variance */
{
	double z = rng_normal(r), a = rng_normal(r), b = rng_normal(r), c = rng_normal(r);

	return z / sqrt(a * a + b * b + c * c);
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

double noise_add(const struct noise *k, struct rng *r, const double *t_s, const double *scale,
		 size_t n, double *value)
{
	double slow = rng_normal(r), rho, e, sigma = noise_sigma(k), largest = 0;

	for (size_t i = 0; i < n; i++) {
		if (i > 0 && k->slow > 0) {
			rho = exp(-(t_s[i] - t_s[i - 1]) / k->memory_s);
			slow = rho * slow + sqrt(1 - rho * rho) * rng_normal(r);
		}
		e = k->slow * slow;
		if (k->white > 0)
			e += k->white * (k->student ? student3(r) : rng_normal(r));
		if (k->outliers > 0 && rng_unit(r) < k->outliers)
			e += sigma * k->outlier_size * rng_between(r, -1, 1);
		largest = fmax(largest, fabs(e) / sigma);
		value[i] += e * (scale ? scale[i] : 1);
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
