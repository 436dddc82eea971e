/*
 * What the judge itself costs. CPU time of the thread, not of the clock on the wall: the machine is
 * shared. Every figure is a median of rounds that took turns with those of the other figures.
 * Series of several kinds in turn, for what is judged quickly depends on what is there to see.
 */
#include "score.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "analyse/subjects.h" /* how many series a process may have */
#include "growth/growth.h"
#include "growth/shape.h"
#include "rng.h"

#define ROUNDS 5
#define POINTS_MOST 1000
#define SERIES_LIVE 10000
#define SNAPSHOTS 1000

static const size_t lengths[] = { 20, 50, 128, POINTS_MOST };

#define LENGTHS (sizeof(lengths) / sizeof(*lengths))

struct timing {
	size_t series;
	double *s[LENGTHS]; /* owned: [round * series + i], seconds */
};

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *v, size_t n, double share)
{
	qsort(v, n, sizeof(*v), by_size);
	return v[(size_t)(share * (n - 1))];
}

/* One point of the kinds in turn: flat, line, curve, saw, steps, one hill, warm-up, saw on a line.
 */
static double value_of(struct rng *r, unsigned int kind, size_t i, size_t n)
{
	double x = (double)i / n, noise = 4096 * rng_normal(r);

	switch (kind % 8) {
	case 0: return 1e8 + noise;
	case 1: return 1e8 + 2e6 * x + noise;
	case 2: return 1e8 + 1e5 * exp(4 * x) + noise;
	case 3: return 1e8 + 1e6 * fmod(7 * x, 1) + noise;
	case 4: return 1e8 + 2e5 * floor(9 * x) + noise;
	case 5: return 1e8 + 1e6 * (x > 0.4 && x < 0.5) + noise;
	case 6: return 1e8 + 1e6 * (1 - exp(-10 * x)) + noise;
	default: return 1e8 + 1e6 * (x + fmod(9 * x, 1)) + noise;
	}
}

static double judge_one(uint64_t seed, size_t series, size_t n)
{
	static double t[POINTS_MOST], v[POINTS_MOST];
	struct shape_input in = { .t_s = t, .value = v, .n = n };
	struct rng r = rng_new(seed, series);
	struct shape shape;
	double begun;

	for (size_t i = 0; i < n; i++) {
		t[i] = i * 2 + rng_between(&r, -0.1, 0.1);
		v[i] = value_of(&r, series, i, n);
	}
	begun = cpu_s();
	shape_judge(&in, &shape);
	return cpu_s() - begun;
}

/* Of each series the median of its rounds; of these median and p99. */
static void tell_shape(FILE *out, struct timing *timing, size_t length, double bar, double bar_p99)
{
	double of[ROUNDS], *v = timing->s[length];

	for (size_t i = 0; i < timing->series; i++) {
		for (size_t r = 0; r < ROUNDS; r++)
			of[r] = v[r * timing->series + i];
		v[i] = quantile(of, ROUNDS, 0.5);
	}
	fprintf(out, "| one window of %zu points, median | %.3f ms |", lengths[length],
		quantile(v, timing->series, 0.5) * 1e3);
	fprintf(out, bar > 0 ? " %.1f ms |\n" : " - |\n", bar);
	fprintf(out, "| one window of %zu points, p99 | %.3f ms |", lengths[length],
		quantile(v, timing->series, 0.99) * 1e3);
	fprintf(out, bar_p99 > 0 ? " %.1f ms |\n" : " - |\n", bar_p99);
}

static int cost_of_shapes(const struct score_cfg *cfg)
{
	struct timing timing = { .series = 100 + 1900 * fmin(cfg->size, 1) };

	for (size_t l = 0; l < LENGTHS; l++)
		timing.s[l] = calloc(ROUNDS * timing.series, sizeof(double));
	for (size_t r = 0; r < ROUNDS; r++)
		for (size_t i = 0; i < timing.series; i++)
			for (size_t l = 0; l < LENGTHS && timing.s[l]; l++)
				timing.s[l][r * timing.series + i] =
					judge_one(cfg->seed, i, lengths[l]);
	for (size_t l = 0; l < LENGTHS; l++) {
		if (timing.s[l])
			tell_shape(cfg->out, &timing, l, lengths[l] == 50 ? 0.1 : 0,
				   lengths[l] == 50 ? 0.2 : 0);
		free(timing.s[l]);
	}
	return 0;
}

struct herd {
	size_t count;
	struct growth **of; /* owned */
	struct rng noise;
};

static int herd_new(struct herd *h, size_t count)
{
	struct growth_cfg cfg = growth_defaults();

	h->of = calloc(count, sizeof(*h->of));
	for (h->count = 0; h->of && h->count < count; h->count++)
		if (growth_new(&cfg, &h->of[h->count]))
			return -ENOMEM;
	return h->of ? 0 : -ENOMEM;
}

static void herd_done(struct herd *h)
{
	for (size_t i = 0; i < h->count; i++)
		growth_free(h->of[i]);
	free(h->of);
}

/* One point for each; CPU seconds that the judge took, without making the points. */
static double herd_second(struct herd *h, size_t second, size_t life)
{
	double begun = cpu_s(), made;

	for (size_t i = 0; i < h->count; i++)
		(void)value_of(&h->noise, i, second, life);
	made = cpu_s() - begun;
	begun = cpu_s();
	for (size_t i = 0; i < h->count; i++)
		(void)growth_add(h->of[i], second, value_of(&h->noise, i, second, life));
	return cpu_s() - begun - made;
}

/* After `before` seconds: the share of one core over `seconds`, and the busiest of these. */
static int cost_of_herd(const struct score_cfg *cfg, size_t count, size_t before, size_t seconds)
{
	struct herd h = { .noise = rng_new(cfg->seed, count) };
	double scale = (double)SERIES_LIVE / count, sum = 0, worst = 0, s;
	int r = herd_new(&h, count);

	for (size_t i = 0; r == 0 && i < before + seconds; i++) {
		s = herd_second(&h, i, before + seconds);
		sum += i < before ? 0 : s;
		worst = fmax(worst, i < before ? 0 : s);
	}
	if (r == 0) {
		fprintf(cfg->out,
			"| %d series, a point each per second, after %zu s%s | %.1f %% of a core |",
			SERIES_LIVE, before, scale > 1 ? " (scaled up)" : "",
			100 * scale * sum / seconds);
		fprintf(cfg->out,
			" 20 %% |\n| the same, its busiest second | %.1f %% of a core | - |\n",
			100 * scale * worst);
		if (scale == 1)
			fprintf(cfg->out, "| memory of one of these series | %zu bytes | - |\n",
				growth_bytes(h.of[0]));
	}
	herd_done(&h);
	return r;
}

/* Every series that a process can have, with a thousand points each. No time in it: asserted. */
static int cost_of_memory(const struct score_cfg *cfg)
{
	struct herd h = { .noise = rng_new(cfg->seed, 0) };
	size_t bytes = 0;
	int r = herd_new(&h, SUBJECTS_MAX);

	for (size_t i = 0; r == 0 && i < SNAPSHOTS; i++)
		herd_second(&h, i, SNAPSHOTS);
	for (size_t i = 0; i < h.count; i++)
		bytes += growth_bytes(h.of[i]);
	herd_done(&h);
	if (r)
		return r;
	fprintf(cfg->out,
		"| %d snapshots of a process with %d series (the most) | %zu kB | 1000 kB |\n",
		SNAPSHOTS, SUBJECTS_MAX, bytes / 1000);
	return bytes >= 1000000;
}

int score_cost(const struct score_cfg *cfg)
{
	bool quick = cfg->size < 1;
	int r;

	fprintf(cfg->out,
		"CPU time; medians of %d rounds in turns.\n\n| what | figure | bar |\n"
		"| --- | --- | --- |\n",
		ROUNDS);
	r = cost_of_shapes(cfg);
	if (r == 0)
		r = cost_of_herd(cfg, SERIES_LIVE, quick ? 10 : 130, quick ? 8 : 64);
	if (r == 0)
		r = cost_of_herd(cfg, 100, quick ? 500 : 8000, quick ? 500 : 2000);
	return r == 0 ? cost_of_memory(cfg) : r;
}
