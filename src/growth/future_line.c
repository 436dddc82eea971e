/*
 * Lines: all along, from a hinge on, on top of a warm-up that fades, or after a break. The first
 * three are one regression each over all points; where none of them describes the last straight
 * stretch as well as a line of its own, only that stretch counts.
 */
#include <math.h>

#include "growth/future_parts.h"
#include "growth/segments.h"

#define BREAKS 7       /* places where a line may have broken, and none */
#define BENT_PRIOR 0.5 /* of a hinge, of a warm-up: half as usual as a line all along */
#define HINGE_LEAST 0.03
#define HINGE_MOST 0.75
#define FADE_LEAST 4.0 /* in the window; slower ones are a bend */
#define FADE_MOST 40.0
#define TAIL_COST 3.0

/* The best line so far. */
struct best {
	double score; /* logarithm of its likelihood, less its cost */
	struct ar1 fit;
	double from;
};

static void keep_best(struct best *b, double score, const struct ar1 *fit, double from)
{
	if (score > b->score)
		*b = (struct best){ score, *fit, from };
}

static void add_whole(struct futures *f, const struct future_points *p, struct best *b)
{
	struct ar1_rows rows = { p->n, p->y, p->x, NULL, NULL, p->floor };
	struct future one;
	struct ar1 a;

	ar1_fit(&rows, &a);
	one = future_of(FUTURE_LINE, &a, p->n, 2);
	one.weight = -a.deviance / 2;
	future_add(f, &one);
	f->clear = f->clear || future_is_clear(&a);
	keep_best(b, one.weight, &a, 0);
}

static void add_hinges(struct futures *f, const struct future_points *p, struct best *b)
{
	struct profile c = {
		.p = p, .kind = FUTURE_LINE, .by = BY_HINGE, .low = HINGE_LEAST, .high = HINGE_MOST
	};

	future_coarse(&c);
	future_add_profile(f, &c);
	keep_best(b, -c.deviance / 2 - log(p->n) / 2, &c.fit, c.peak);
}

static void add_fades(struct futures *f, const struct future_points *p, struct best *b)
{
	struct profile c = { .p = p,
			     .kind = FUTURE_LINE,
			     .by = BY_FADE,
			     .low = log(FADE_LEAST),
			     .high = log(FADE_MOST),
			     .log_prior = log(BENT_PRIOR) - log(p->n) / 2 };

	future_coarse(&c);
	future_add_profile(f, &c);
	keep_best(b, -c.deviance / 2 - log(p->n), &c.fit, 0);
}

/* Does the best line leave as little of the last stretch as a line of its own? */
static bool describes(const struct future_points *p, const struct best *l, size_t start)
{
	double left = 0, ours = 0, m = p->n - start;
	struct ar1_rows rows = { m, p->y + start, p->x + start, NULL, NULL, p->floor };
	struct ar1 own;

	ar1_fit(&rows, &own);
	for (size_t i = start; i < p->n; i++) {
		double e = p->y[i] - l->fit.k0 - l->fit.k1 * fmax(p->x[i] - l->from, 0);

		ours += e * e;
		left += pow(p->y[i] - own.k0 - own.k1 * p->x[i], 2);
	}
	return m * log(ours / fmax(left, 1e-300)) * (1 - own.rho) / (1 + own.rho) <
	       TAIL_COST * log(m);
}

/* whole: logarithm of the weight of one line through all points from start on. */
static void add_broken(struct futures *f, const struct future_points *p, size_t start, size_t least,
		       double whole)
{
	size_t at[BREAKS] = {}, n = p->n - start;
	double deviance[BREAKS];

	for (size_t i = 1; i < BREAKS; i++)
		at[i] = i * n / 10;
	segments_break_deviance(p->x + start, p->y + start, n, p->floor, at, BREAKS, deviance);
	for (size_t i = start ? 0 : 1; i < BREAKS; i++) {
		size_t from = start + at[i];
		struct ar1_rows rows = {
			p->n - from, p->y + from, p->x + from, NULL, NULL, p->floor
		};
		struct future one;
		struct ar1 a;

		if (rows.n < least || (i && at[i] < 3))
			continue;
		ar1_fit(&rows, &a);
		one = future_of(FUTURE_LINE, &a, rows.n, 2);
		one.weight = whole + (deviance[0] - deviance[i]) / 2;
		one.weight -= i ? log(n) + log(BREAKS - 1) : 0;
		f->clear = f->clear || (i == 0 && future_is_clear(&a));
		if (a.k1 > sqrt(a.v11))
			future_add(f, &one);
	}
}

void future_add_lines(struct futures *f, const struct future_points *p, double log_prior)
{
	size_t least = p->n / 6 > 8 ? p->n / 6 : 8, first = f->count;
	size_t start = segments_last_line(p->x, p->y, p->n, least, p->floor);
	struct best best = { .score = -INFINITY };
	double whole;

	add_whole(f, p, &best);
	whole = best.score;
	add_hinges(f, p, &best);
	add_fades(f, p, &best);
	if (start && !describes(p, &best, start)) {
		f->count = first;
		add_broken(f, p, start, least, best.score);
	} else {
		add_broken(f, p, 0, least, whole);
	}
	for (size_t i = first; i < f->count; i++)
		f->one[i].weight += log_prior;
}

void future_add_line(struct futures *f, const struct future_points *p)
{
	future_add_lines(f, p, 0);
}
