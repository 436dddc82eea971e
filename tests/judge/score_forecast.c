/*
 * Forecasts on series whose future is known: once with the true label, which tests the forecast
 * alone, once with the judge's own shape. And how often the interval of the growth rate holds.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpus_forecast.h"
#include "growth/forecast.h"
#include "score.h"

#define SERIES 16000
#define MEDIAN 0.6745 /* of the size of a standard normal error */
#define COVERAGE_LOW 0.90
#define COVERAGE_HIGH 0.98

static const double edges[] = { 0, 4, 6, 12, 30, 100, 1e9 };
static const char *const bins[] = { "< 4", "4-6", "6-12", "12-30", "30-100", "> 100" };

#define BINS 6

struct answer {
	enum continued_kind kind;
	enum continued_noise noise;
	int bin;
	double d1, bound;
	bool known, held;
	double error;		      /* relative */
	double width;		      /* of the interval, relative; INFINITY when it is open */
	bool rate_known, rate_held;   /* of the forecast */
	bool plain_known, plain_held; /* of the shape */
};

struct answers {
	size_t count;
	struct answer *one; /* owned */
	double *column;	    /* owned: scratch for medians */
	bool (*wanted)(const struct answer *a, int key);
};

static bool of_kind(const struct answer *a, int key)
{
	return (int)a->kind == key;
}

static bool of_bin(const struct answer *a, int key)
{
	return a->bin == key;
}

static bool of_noise(const struct answer *a, int key)
{
	return (int)a->noise == key;
}

static bool of_both(const struct answer *a, int key)
{
	return (int)a->kind == key / BINS && a->bin == key % BINS;
}

/* Exponentials near d1 = 100: the bar's. */
static bool of_d100(const struct answer *a, int key)
{
	return (int)a->kind == key && a->d1 > 70 && a->d1 < 140;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

enum figure { ERROR, WIDTH, BOUND, PLAIN, RATIO };

static double figure_of(const struct answer *a, enum figure figure)
{
	switch (figure) {
	case ERROR: return a->error;
	case WIDTH: return a->width;
	case BOUND: return MEDIAN * a->bound;
	case PLAIN: return MEDIAN / a->d1;
	default: return a->error / (MEDIAN * a->bound);
	}
}

static double quantile(const struct answers *all, int key, enum figure figure, double q)
{
	size_t n = 0;

	for (size_t i = 0; i < all->count; i++)
		if (all->wanted(&all->one[i], key) && all->one[i].known)
			all->column[n++] = figure_of(&all->one[i], figure);
	if (!n)
		return NAN;
	qsort(all->column, n, sizeof(*all->column), by_value);
	return all->column[(size_t)(q * (n - 1) + 0.5)];
}

struct shares {
	size_t asked, known, held, rates, rates_held, plain, plain_held;
};

static struct shares shares_of(const struct answers *all, int key)
{
	struct shares s = {};

	for (size_t i = 0; i < all->count; i++) {
		const struct answer *a = &all->one[i];

		if (!all->wanted(a, key))
			continue;
		s.asked++;
		s.known += a->known;
		s.held += a->known && a->held;
		s.rates += a->rate_known;
		s.rates_held += a->rate_known && a->rate_held;
		s.plain += a->plain_known;
		s.plain_held += a->plain_known && a->plain_held;
	}
	return s;
}

static double share(size_t part, size_t all)
{
	return all ? (double)part / all : NAN;
}

static void put_number(FILE *out, double value)
{
	if (isnan(value))
		fprintf(out, " |");
	else
		fprintf(out, " %.4f |", value);
}

static void put_row(FILE *out, const struct answers *all, int key, const char *name)
{
	struct shares s = shares_of(all, key);
	bool one_kind = all->wanted == of_kind || all->wanted == of_both;

	fprintf(out, "| %s | %zu | %.1f %% |", name, s.asked, 100 * share(s.known, s.asked));
	if (s.known < 20) {
		fprintf(out, " | | | | | |\n");
		return;
	}
	put_number(out, quantile(all, key, ERROR, 0.5));
	put_number(out, quantile(all, key, PLAIN, 0.5));
	put_number(out, one_kind ? quantile(all, key, BOUND, 0.5) : NAN);
	put_number(out, quantile(all, key, ERROR, 0.9));
	fprintf(out, " %.1f %% |", 100 * share(s.held, s.known));
	put_number(out, quantile(all, key, WIDTH, 0.5));
	fprintf(out, "\n");
}

static void put_head(FILE *out, const char *what)
{
	fprintf(out,
		"| %s | series | answered | median error | 0.674/d1 | bound | p90 error | coverage "
		"| width |\n|---|---|---|---|---|---|---|---|---|\n",
		what);
}

static void put_tables(FILE *out, struct answers *all)
{
	char name[80];

	put_head(out, "shape, d1");
	all->wanted = of_both;
	for (int key = 0; key < CONTINUED_KINDS * BINS; key++) {
		snprintf(name, sizeof(name), "%s, %s", continued_names[key / BINS],
			 bins[key % BINS]);
		put_row(out, all, key, name);
	}
	fprintf(out, "\n");
	put_head(out, "all of");
	all->wanted = of_kind;
	for (int key = 0; key < CONTINUED_KINDS; key++)
		put_row(out, all, key, continued_names[key]);
	all->wanted = of_bin;
	for (int key = 0; key < BINS; key++)
		put_row(out, all, key, bins[key]);
	all->wanted = of_noise;
	for (int key = 0; key < CONTINUED_NOISES; key++)
		put_row(out, all, key, continued_noise_names[key]);
	fprintf(out, "\n");
}

struct bars {
	FILE *out;
	double tolerance; /* share by which a bar may be missed */
	bool missed;
};

static void put_bar(struct bars *b, const char *what, double value, double low, double high)
{
	double over = fmax(value - high, low - value);
	bool within = over <= b->tolerance;

	fprintf(b->out, "| %s | %.4f | ", what, value);
	if (low > 0)
		fprintf(b->out, "%.3g to ", low);
	fprintf(b->out, "%.3g | %s |\n", high,
		over <= 0 ? "met"
		: within  ? "within the tolerance"
			  : "**missed**");
	b->missed |= !within;
}

static void put_coverage(struct bars *b, struct answers *all, int key, const char *name)
{
	struct shares s = shares_of(all, key);
	char what[96];

	if (s.known < 50)
		return;
	snprintf(what, sizeof(what), "coverage, %s", name);
	put_bar(b, what, share(s.held, s.known), COVERAGE_LOW, COVERAGE_HIGH);
}

static bool put_bars(const struct score_cfg *cfg, struct answers *all)
{
	struct bars b = { .out = cfg->out, .tolerance = cfg->tolerance };
	char name[96];

	fprintf(b.out, "| bar | figure | bar | |\n|---|---|---|---|\n");
	all->wanted = of_both;
	for (int bin = 1; bin < BINS; bin++) {
		snprintf(name, sizeof(name), "line, d1 %s: median error / bound", bins[bin]);
		put_bar(&b, name, quantile(all, bin, RATIO, 0.5), 0, 1.2);
	}
	all->wanted = of_d100;
	put_bar(&b, "exponential, d1 70-140: p90 error",
		quantile(all, CONTINUED_EXPONENTIAL, ERROR, 0.9), 0, 0.07);
	all->wanted = of_bin;
	for (int key = 1; key < BINS; key++) {
		snprintf(name, sizeof(name), "d1 %s", bins[key]);
		put_coverage(&b, all, key, name);
	}
	all->wanted = of_noise;
	for (int key = 0; key < CONTINUED_NOISES; key++)
		put_coverage(&b, all, key, continued_noise_names[key]);
	all->wanted = of_kind;
	for (int key = 0; key < CONTINUED_KINDS; key++)
		put_coverage(&b, all, key, continued_names[key]);
	fprintf(b.out, "\n");
	return b.missed;
}

static void put_rate_row(FILE *out, const struct answers *all, int key, const char *name)
{
	struct shares s = shares_of(all, key);

	fprintf(out, "| %s | %zu | %.1f %% | %.1f %% |", name, s.asked,
		100 * share(s.rates, s.asked), 100 * share(s.rates_held, s.rates));
	if (s.plain)
		fprintf(out, " %.1f %% |", 100 * share(s.plain_held, s.plain));
	else
		fprintf(out, " |");
	fprintf(out, "\n");
}

static void put_rates(FILE *out, struct answers *all)
{
	fprintf(out,
		"Share of 95 %% intervals of the growth rate that hold the true rate at the last "
		"point:\n\n| shape | series | known | of the forecast | of the window's fit "
		"|\n|---|---|---|---|---|\n");
	all->wanted = of_kind;
	for (int key = 0; key < CONTINUED_KINDS; key++)
		put_rate_row(out, all, key, continued_names[key]);
	all->wanted = of_bin;
	for (int key = 0; key < BINS; key++)
		put_rate_row(out, all, key, bins[key]);
	fprintf(out, "\n");
}

/* What the judge would say if it knew the truth. */
static struct shape true_shape(const struct labelled *l)
{
	struct shape s = {
		.pattern = l->label,
		.confidence = 1,
		.leak_probability = 1,
		.growth_per_s = NAN,
		.growth_low_per_s = NAN,
		.growth_high_per_s = NAN,
		.start_s = l->t_s[0],
		.end_s = l->t_s[l->n - 1],
		.points = l->n,
		.why = "",
	};

	s.p[l->label] = 1;
	return s;
}

static struct answer ask(const struct continued *c, bool truth)
{
	const struct labelled *l = &c->series;
	struct shape_input in = { .t_s = l->t_s, .value = l->value, .n = l->n };
	struct answer a = { .kind = c->kind, .noise = c->noise, .d1 = l->d1, .bound = c->bound };
	struct shape shape;
	struct forecast f;

	while (l->d1 >= edges[a.bin + 1])
		a.bin++;
	if (truth)
		shape = true_shape(l);
	else
		shape_judge(&in, &shape);
	forecast_limit(&in, &shape, c->limit, &f);
	a.known = f.known;
	a.held = f.known && f.low_s <= c->truth_s && f.high_s >= c->truth_s;
	a.error = fabs(f.seconds / c->truth_s - 1);
	a.width = (f.high_s - f.low_s) / c->truth_s;
	a.rate_known = isfinite(f.per_s);
	a.rate_held = f.low_per_s <= l->rate_per_s && f.high_per_s >= l->rate_per_s;
	a.plain_known = a.rate_known && isfinite(shape.growth_low_per_s);
	a.plain_held =
		shape.growth_low_per_s <= l->rate_per_s && shape.growth_high_per_s >= l->rate_per_s;
	return a;
}

static int score_one(const struct score_cfg *cfg, struct answers *all, bool truth)
{
	int missed;

	for (size_t i = 0; i < all->count; i++) {
		struct continued c;
		int r = corpus_continued(cfg->seed, i, &c);

		if (r < 0)
			return r;
		all->one[i] = ask(&c, truth);
		labelled_done(&c.series);
	}
	fprintf(cfg->out, "### %s\n\n",
		truth ? "The shape is given (forecast alone)" : "The shape is judged, too");
	put_tables(cfg->out, all);
	missed = put_bars(cfg, all);
	put_rates(cfg->out, all);
	return missed;
}

int score_forecast(const struct score_cfg *cfg)
{
	struct answers all = { .count = fmax(SERIES * cfg->size, 100) };
	int given = -ENOMEM, judged = -ENOMEM;

	all.one = calloc(all.count, sizeof(*all.one));
	all.column = calloc(all.count, sizeof(*all.column));
	if (all.one && all.column) {
		given = score_one(cfg, &all, true);
		judged = given < 0 ? given : score_one(cfg, &all, false);
	}
	free(all.one);
	free(all.column);
	return judged < 0 ? judged : given | judged;
}
