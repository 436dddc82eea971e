/* Signals in units of their growth over the window, with a future; then size, noise, rounding. */
#include "corpus_forecast.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KNOTS 2048
#define COLUMNS 4 /* of the Jacobian: constant, size, curvature, nuisance */

const char *const continued_names[CONTINUED_KINDS] = {
	[CONTINUED_LINE] = "line",
	[CONTINUED_WARM_LINE] = "line after a warm-up",
	[CONTINUED_LATE_LINE] = "line that began late",
	[CONTINUED_EXPONENTIAL] = "exponential",
	[CONTINUED_LATE_EXPONENTIAL] = "exponential that began late",
	[CONTINUED_POWER] = "power below 1",
	[CONTINUED_STAIRS] = "staircase",
	[CONTINUED_SAW] = "sawtooth on a rising floor",
};

const char *const continued_noise_names[CONTINUED_NOISES] = { "white", "with a memory",
							      "Student's t" };

static const enum pattern labels[CONTINUED_KINDS] = {
	[CONTINUED_LINE] = PATTERN_LINEAR,
	[CONTINUED_WARM_LINE] = PATTERN_LINEAR,
	[CONTINUED_LATE_LINE] = PATTERN_LINEAR,
	[CONTINUED_EXPONENTIAL] = PATTERN_EXPONENTIAL,
	[CONTINUED_LATE_EXPONENTIAL] = PATTERN_EXPONENTIAL,
	[CONTINUED_POWER] = PATTERN_SUSTAINED,
	[CONTINUED_STAIRS] = PATTERN_SUSTAINED,
	[CONTINUED_SAW] = PATTERN_SUSTAINED,
};

struct signal {
	enum continued_kind kind;
	double from, curve, other, horizon; /* other: size of the warm-up or of the saw */
	size_t count;			    /* knots */
	double at[KNOTS + 1], height[KNOTS];
};

static double warm(const struct signal *s, double x)
{
	return 1 - exp(-x * s->curve);
}

/* The growth alone, without warm-up and teeth; 1 at x = 1 but for stairs. */
static double growth_at(const struct signal *s, double x)
{
	double u = fmax(x - s->from, 0), sum = 0;

	switch (s->kind) {
	case CONTINUED_EXPONENTIAL:
	case CONTINUED_LATE_EXPONENTIAL:
		return expm1(s->curve * u) / expm1(s->curve * (1 - s->from));
	case CONTINUED_POWER: return pow(x, s->curve);
	case CONTINUED_STAIRS:
		for (size_t i = 0; i < s->count && s->at[i] <= x; i++)
			sum += s->height[i];
		return sum;
	default: return u / (1 - s->from);
	}
}

static size_t tooth_of(const struct signal *s, double x)
{
	size_t i = 0;

	while (i + 1 < s->count && s->at[i + 1] <= x)
		i++;
	return i;
}

static double nuisance_at(const struct signal *s, double x)
{
	size_t i;

	if (s->kind == CONTINUED_WARM_LINE)
		return warm(s, x);
	if (s->kind != CONTINUED_SAW)
		return 0;
	i = tooth_of(s, x);
	return s->height[i] * (x - s->at[i]) / (s->at[i + 1] - s->at[i]);
}

static double signal_at(const struct signal *s, double x)
{
	return growth_at(s, x) + s->other * nuisance_at(s, x);
}

/* When stairs or teeth first reach a height; after x = 1. */
static double first_passage(const struct signal *s, double height)
{
	double sum = 0, within, top;

	for (size_t i = 0; i < s->count; i++) {
		sum += s->kind == CONTINUED_STAIRS ? s->height[i] : 0;
		if (s->kind == CONTINUED_STAIRS && sum >= height)
			return s->at[i];
		top = s->at[i + 1] + s->other * s->height[i];
		if (s->kind != CONTINUED_SAW || top < height || s->at[i + 1] <= 1)
			continue;
		within = s->at[i + 1] - s->at[i];
		return s->at[i] + (height - s->at[i]) * within / (within + s->other * s->height[i]);
	}
	return NAN;
}

static double passage(const struct signal *s, double height)
{
	double low = 1, high = 2;

	if (s->kind == CONTINUED_STAIRS || s->kind == CONTINUED_SAW)
		return first_passage(s, height);
	while (signal_at(s, high) < height)
		high *= 2;
	for (int i = 0; i < 200; i++) {
		double middle = (low + high) / 2;

		*(signal_at(s, middle) < height ? &low : &high) = middle;
	}
	return high;
}

static void make_stairs(struct signal *s, struct rng *r, size_t n)
{
	int stairs = 4 + rng_below(r, 9);
	double sum = 0;

	if (stairs > (int)n / 3)
		stairs = (int)n / 3;
	s->count = KNOTS;
	for (size_t i = 0; i < KNOTS; i++) {
		s->at[i] = (i + rng_between(r, 0.15, 0.85)) / stairs;
		s->height[i] = rng_between(r, 0.5, 1.5);
		sum += s->at[i] <= 1 ? s->height[i] : 0;
	}
	for (size_t i = 0; i < KNOTS; i++)
		s->height[i] /= sum;
	s->at[KNOTS] = s->at[KNOTS - 1] + 1.0 / stairs;
}

static void make_teeth(struct signal *s, struct rng *r, double step)
{
	double periods = rng_scale(r, 3, fmax(3.6, fmin(15, 0.22 / step)));

	s->count = KNOTS;
	s->other = rng_scale(r, 0.3, 2);
	s->at[0] = -rng_unit(r) / periods;
	for (size_t i = 0; i < KNOTS; i++) {
		s->at[i + 1] = s->at[i] + (1 + 0.1 * rng_between(r, -1, 1)) / periods;
		s->height[i] = 1 - 0.1 * rng_unit(r);
	}
}

static void make_signal(struct signal *s, struct rng *r, size_t n, double step)
{
	s->horizon = rng_scale(r, 1, 30);
	switch (s->kind) {
	case CONTINUED_WARM_LINE:
		s->curve = rng_between(r, 8, 25);
		s->other = rng_scale(r, 0.2, 1);
		break;
	case CONTINUED_LATE_LINE: s->from = rng_between(r, 0.15, 0.5); break;
	case CONTINUED_LATE_EXPONENTIAL: s->from = rng_between(r, 0.1, 0.4); /* fall through */
	case CONTINUED_EXPONENTIAL:
		s->curve = rng_between(r, 2, 5) / (1 - s->from);
		s->horizon = 3; /* to four times the growth so far */
		break;
	case CONTINUED_POWER:
		s->curve = rng_between(r, 0.35, 0.75);
		s->horizon = rng_scale(r, 0.3, 2);
		break;
	case CONTINUED_STAIRS: make_stairs(s, r, n); break;
	case CONTINUED_SAW: make_teeth(s, r, step); break;
	default: break;
	}
	if (s->count)
		s->horizon = rng_scale(r, 1, 10);
}

/* d signal / d parameter at x; returns how many. */
static int gradient(const struct signal *s, double x, double *g)
{
	double u = fmax(x - s->from, 0), end = 1 - s->from;

	g[0] = 1;
	g[1] = growth_at(s, x);
	switch (s->kind) {
	case CONTINUED_EXPONENTIAL:
	case CONTINUED_LATE_EXPONENTIAL:
		g[2] = u * exp(s->curve * u) / expm1(s->curve * end);
		return 3;
	case CONTINUED_POWER: g[2] = x > 0 ? g[1] * log(x) : 0; return 3;
	case CONTINUED_WARM_LINE:
	case CONTINUED_SAW: g[2] = nuisance_at(s, x); return 3;
	default: return 2;
	}
}

/* Columns of gradients, whitened, as one orthonormal basis: the growth is projected on what is left
 * of it, and a gradient's variance is the squared norm of its coordinates. */
struct information {
	size_t n;
	int count;
	double sums[COLUMNS][COLUMNS]; /* J'J */
};

static int information_of(const struct signal *s, const struct whitener *w, const double *x,
			  struct information *ret)
{
	struct information f = { .n = w->n };
	double g[COLUMNS], *column = calloc(COLUMNS * w->n, sizeof(*column));

	if (!column)
		return -ENOMEM;
	for (size_t i = 0; i < f.n; i++) {
		f.count = gradient(s, x[i], g);
		for (int k = 0; k < f.count; k++)
			column[k * f.n + i] = g[k];
	}
	for (int k = 0; k < f.count; k++)
		whitener_apply(w, column + k * f.n, column + k * f.n);
	for (int j = 0; j < f.count; j++)
		for (int k = 0; k < f.count; k++)
			for (size_t i = 0; i < f.n; i++)
				f.sums[j][k] += column[j * f.n + i] * column[k * f.n + i];
	free(column);
	*ret = f;
	return 0;
}

/* g' (J'J)^-1 g by elimination, with the first count columns only. */
static double variance_of(struct information f, int count, const double *gradient_at)
{
	double g[COLUMNS], sum = 0;

	memcpy(g, gradient_at, count * sizeof(*g));
	for (int k = 0; k < count; k++) {
		double pivot = f.sums[k][k];

		if (!(pivot > 0))
			return NAN;
		sum += g[k] * g[k] / pivot;
		for (int j = k + 1; j < count; j++) {
			double share = f.sums[j][k] / pivot;

			g[j] -= share * g[k];
			for (int i = k; i < count; i++)
				f.sums[j][i] -= share * f.sums[k][i];
		}
	}
	return sum;
}

static double d1_of(const struct information *f, const struct signal *s)
{
	double g[COLUMNS] = { 0, 1 };
	bool nuisance = s->kind == CONTINUED_WARM_LINE || s->kind == CONTINUED_SAW;

	return 1 / sqrt(variance_of(*f, nuisance ? 3 : 2, g));
}

static double bound_of(const struct information *f, const struct signal *s, double size, double at)
{
	double g[COLUMNS], rate = (growth_at(s, at * 1.0001) - growth_at(s, at)) / (at * 0.0001);

	if (s->count)
		return NAN;
	gradient(s, at, g);
	return sqrt(variance_of(*f, f->count, g)) / (size * rate * (at - 1));
}

static struct noise draw_noise(struct continued *c, struct rng *r, double sigma, double dt_s)
{
	static const double memories[] = { 3, 8, 25 };
	double memory = fmin(memories[rng_below(r, 3)], c->series.n / 12.0);

	c->noise = rng_below(r, CONTINUED_NOISES);
	return (struct noise){
		.white = c->noise == CONTINUED_SLOW ? 0 : sigma,
		.slow = c->noise == CONTINUED_SLOW ? sigma : 0,
		.memory_s = memory * dt_s,
		.tails = c->noise == CONTINUED_STUDENT ? TAILS_STUDENT : TAILS_NORMAL,
	};
}

static double draw_quantum(struct rng *r, double visible)
{
	static const double quanta[] = { 4096, 65536, 135168, 1048576 };
	int k = rng_below(r, 4);

	while (k > 0 && quanta[k] > visible / 5)
		k--;
	return quanta[k] > visible / 5 ? fmax(1, floor(visible / 5)) : quanta[k];
}

static void fill(struct continued *c, const struct signal *s, double base, double size,
		 const double *x)
{
	struct labelled *l = &c->series;
	double span = l->t_s[l->n - 1], at, height;

	for (size_t i = 0; i < l->n; i++)
		l->value[i] = base + size * signal_at(s, x[i]);
	height = signal_at(s, 1);
	if (s->kind == CONTINUED_SAW)
		height = 1 + s->other;
	height += s->horizon;
	at = passage(s, height);
	c->limit = base + size * height;
	c->truth_s = (at - 1) * span;
	l->rate_per_s = size * (growth_at(s, 1) - growth_at(s, 1 - 1e-6)) / 1e-6 / span;
	if (s->kind == CONTINUED_STAIRS)
		l->rate_per_s = size / span;
}

static int make(struct continued *c, struct signal *s, struct rng *r, double *x)
{
	struct labelled *l = &c->series;
	struct sampling sampling = sampling_protocol(r);
	double base = rng_scale(r, 5e6, 4e9), sigma, size;
	struct information f = {};
	struct whitener w;
	struct noise noise;
	int status;

	sampling_times(&sampling, r, l->n, l->t_s);
	for (size_t i = 0; i < l->n; i++)
		x[i] = l->t_s[i] / l->t_s[l->n - 1];
	s->kind = c->kind = rng_below(r, CONTINUED_KINDS);
	make_signal(s, r, l->n, sampling.dt_s / l->t_s[l->n - 1]);
	sigma = fmax(2000, base * rng_scale(r, pow(10, -4.5), pow(10, -1.7)));
	noise = draw_noise(c, r, sigma, sampling.dt_s);
	if (whitener_init(&noise, l->t_s, NULL, l->n, 0, &w))
		return -ENOMEM;
	status = information_of(s, &w, x, &f);
	whitener_done(&w);
	size = rng_scale(r, 3, 400) / d1_of(&f, s); /* 3 to 400: d1 that is aimed at */
	l->quantum = draw_quantum(r, size);
	if (status || whitener_init(&noise, l->t_s, NULL, l->n, l->quantum, &w))
		return -ENOMEM;
	status = information_of(s, &w, x, &f);
	whitener_done(&w);
	l->d1 = size * d1_of(&f, s);
	base = fmax(base, size);
	fill(c, s, base, size, x);
	c->bound = bound_of(&f, s, size, 1 + c->truth_s / l->t_s[l->n - 1]);
	noise_add(&noise, r, l->t_s, NULL, l->n, l->value);
	quantise(l->value, l->n, l->quantum);
	/* rounding is downwards: on average the counter is half a quantum below the signal */
	c->limit -= l->quantum / 2;
	l->sigma = sigma;
	l->label = labels[c->kind];
	l->leak = true;
	snprintf(l->family, sizeof(l->family), "%s", continued_names[c->kind]);
	return status;
}

int corpus_continued(uint64_t seed, uint64_t number, struct continued *ret)
{
	static const size_t sizes[] = { 20, 30, 50, 100, 128, 300, 600 };
	struct rng r = rng_new(seed ^ 0xf0eca57, number);
	struct signal *s = calloc(1, sizeof(*s));
	struct continued c = {};
	double *x;
	int status = -ENOMEM;

	r.state = rng_bits(&r);
	c.series.n = sizes[rng_below(&r, 7)];
	x = calloc(c.series.n, sizeof(*x));
	c.series.t_s = calloc(c.series.n, sizeof(double));
	c.series.value = calloc(c.series.n, sizeof(double));
	if (s && x && c.series.t_s && c.series.value)
		status = make(&c, s, &r, x);
	free(s);
	free(x);
	if (status)
		labelled_done(&c.series);
	else
		*ret = c;
	return status;
}
