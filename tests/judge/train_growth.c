/*
 * train_growth [--runs N] [--epochs N] > src/growth/net_growth.inc: learns, from prefixes of
 * running series (seeds from 1000 on), the probability that a series leaks, and writes the
 * network's constants. Standard error gets what a threshold would do on other seeds than those
 * learned from.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpus.h"
#include "growth/growth.h"
#include "growth/life.h"
#include "rng.h"
#include "train_mlp.h"

#define SEED_TRAIN 1000
#define SEED_VALID 1001
#define SEED_SWEEP 1002
#define RUNS 24000
#define HIDDEN0 64
#define HIDDEN1 24
#define ROWS_PER_RUN 64
#define ROWS_SHARE 0.35

struct rows {
	size_t n, room;
	float *input;
	uint8_t *right;
	float *weight;
};

static int corpus_mixed(uint64_t seed, uint64_t number, struct labelled *ret)
{
	return number % 2 ? corpus_stream(seed, number, ret)
			  : corpus_stream_wide(seed, number, ret);
}

static void add_row(struct rows *rows, const double *input, bool leaks, double weight)
{
	for (size_t i = 0; i < LIFE_INPUTS; i++)
		rows->input[rows->n * LIFE_INPUTS + i] = (float)input[i];
	rows->right[rows->n] = leaks ? 2 : 1;
	rows->weight[rows->n++] = (float)weight;
}

/* A share of the prefixes at which the judge would look: neighbours say much the same. */
static int run_rows(uint64_t seed, uint64_t number, struct rows *rows)
{
	struct labelled l;
	struct history *h;
	double input[LIFE_INPUTS];
	uint64_t judged = 0;
	size_t first = rows->n;
	struct rng r = rng_new(seed, number ^ 0x770000000000);

	if (corpus_mixed(seed, number, &l) || history_new(&h))
		return -1;
	for (size_t i = 0; i < l.n && rows->n < first + ROWS_PER_RUN; i++) {
		if (l.restart_count && l.t_s[i] == l.restart_t_s[0]) {
			history_clear(h);
			judged = 0;
		}
		history_add(h, l.t_s[i], l.value[i]);
		if (!life_due(judged, history_count(h)))
			continue;
		judged = history_count(h);
		if (rng_unit(&r) < ROWS_SHARE && life_stats(h, input) == 0)
			add_row(rows, input, l.leak && l.t_s[i] >= l.onset_s, 1);
	}
	history_free(h);
	labelled_done(&l);
	return 0;
}

static int make_rows(uint64_t seed, size_t runs, struct rows *rows)
{
	rows->room = runs * ROWS_PER_RUN;
	rows->n = 0;
	rows->input = malloc(rows->room * LIFE_INPUTS * sizeof(float));
	rows->right = malloc(rows->room);
	rows->weight = malloc(rows->room * sizeof(float));
	if (!rows->input || !rows->right || !rows->weight)
		return -1;
	for (size_t i = 0; i < runs; i++)
		if (run_rows(seed, i, rows))
			return -1;
	return 0;
}

static void moments(const struct rows *rows, float *mean, float *scale)
{
	for (size_t k = 0; k < LIFE_INPUTS; k++) {
		double sum = 0, squares = 0, m;

		for (size_t i = 0; i < rows->n; i++)
			sum += rows->input[i * LIFE_INPUTS + k];
		m = sum / (double)rows->n;
		for (size_t i = 0; i < rows->n; i++)
			squares += pow(rows->input[i * LIFE_INPUTS + k] - m, 2);
		mean[k] = (float)m;
		scale[k] = (float)(1 / sqrt(squares / (double)rows->n + 1e-9));
	}
}

static struct train_set as_set(const struct rows *rows, const float *mean, const float *scale)
{
	struct mlp unit = { .inputs = LIFE_INPUTS, .mean = mean, .scale = scale };

	for (size_t i = 0; i < rows->n * LIFE_INPUTS; i++)
		rows->input[i] = mlp_input(&unit, i % LIFE_INPUTS, rows->input[i]);
	return (struct train_set){ rows->n, LIFE_INPUTS, rows->input, rows->right, rows->weight };
}

static void write_array(FILE *out, const char *name, const float *v, size_t n)
{
	fprintf(out, "static const float growth_%s[] = {", name);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s%.6g,", i % 8 ? " " : "\n\t", v[i]);
	fprintf(out, "\n};\n");
}

static void write_net(FILE *out, const struct mlp *net)
{
	const size_t width[] = { net->inputs, net->hidden[0], net->hidden[1], net->outputs };
	char name[32];

	fprintf(out, "/* Made by tests/judge/train_growth.c; do not edit. */\n");
	write_array(out, "mean", net->mean, net->inputs);
	write_array(out, "scale", net->scale, net->inputs);
	for (size_t l = 0; l < 3; l++) {
		snprintf(name, sizeof(name), "weight%zu", l);
		write_array(out, name, net->weight[l], width[l] * width[l + 1]);
		snprintf(name, sizeof(name), "bias%zu", l);
		write_array(out, name, net->bias[l], width[l + 1]);
	}
	fprintf(out,
		"static const struct mlp growth_net = { %zu, { %zu, %zu }, %zu,\n"
		"\tgrowth_mean, growth_scale, { growth_weight0, growth_weight1, growth_weight2 },\n"
		"\t{ growth_bias0, growth_bias1, growth_bias2 } };\n",
		width[0], width[1], width[2], width[3]);
}

/* --- what a threshold would do -------------------------------------------------------------- */

#define LOOKS_MAX 160
#define LEAST 256 /* growth_defaults().leak_points */

struct track { /* probabilities over one run */
	bool leak, detectable;
	size_t onset, looks;
	size_t at[LOOKS_MAX], since[LOOKS_MAX]; /* samples; points since the (re)start */
	float p[LOOKS_MAX];
};

/* As growth_add() goes about it. */
static int run_track(struct labelled *l, struct track *ret)
{
	struct growth_cfg cfg = growth_defaults();
	struct track k = { .leak = l->leak };
	struct growth *g;
	double p = -1;

	if (growth_new(&cfg, &g))
		return -1;
	k.detectable = l->leak && l->d1 >= 8 && l->d2 > 10;
	for (size_t i = 0; i < l->n && k.looks < LOOKS_MAX; i++) {
		if (l->restart_count && l->t_s[i] == l->restart_t_s[0])
			growth_restart(g, l->t_s[i]);
		if (l->leak && l->t_s[i] < l->onset_s)
			k.onset = i + 1;
		growth_add(g, l->t_s[i], l->value[i]);
		if (growth_opinion(g)->leak_probability == p)
			continue;
		p = growth_opinion(g)->leak_probability;
		k.at[k.looks] = i;
		k.since[k.looks] = growth_count(g);
		k.p[k.looks++] = (float)p;
	}
	growth_free(g);
	*ret = k;
	return 0;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* First alarm at or after `from`: p above the threshold for a share of the life. */
static long alarm_of(const struct track *k, size_t from, size_t least, double p, double hold,
		     size_t points)
{
	long start = -1;

	for (size_t i = 0; i < k->looks; i++) {
		if (k->p[i] < p) {
			start = -1;
			continue;
		}
		if (start < 0)
			start = (long)k->at[i];
		if (k->since[i] >= least && k->at[i] >= from &&
		    k->at[i] - (size_t)start >= points &&
		    (double)(k->at[i] - (size_t)start) >= hold * (double)k->since[i])
			return (long)k->at[i];
	}
	return -1;
}

static void sweep_line(const struct track *tracks, size_t n, size_t points, double p, double hold)

{
	double *delays = calloc(n, sizeof(double));
	size_t clean = 0, alarmed = 0, early = 0, detectable = 0, found = 0;

	for (size_t i = 0; i < n; i++) {
		const struct track *k = &tracks[i];
		long at;

		if (!k->leak) {
			clean++;
			alarmed += alarm_of(k, 0, LEAST, p, hold, points) >= 0;
			continue;
		}
		at = alarm_of(k, 0, LEAST, p, hold, points);
		early += at >= 0 && at < (long)k->onset;
		if (!k->detectable)
			continue;
		detectable++;
		at = alarm_of(k, k->onset, LEAST, p, hold, points);
		if (at >= 0)
			delays[found++] = (double)at - (double)k->onset;
	}
	qsort(delays, found, sizeof(*delays), by_size);
	printf("%5zu %.3f %.2f: recall %.3f clean alarmed %.3f early %zu delay %.0f %.0f\n", points,
	       p, hold, (double)found / (double)detectable, (double)alarmed / (double)clean, early,
	       found ? delays[found / 2] : 0, found ? delays[found * 9 / 10] : 0);
	free(delays);
}

static void sweep(uint64_t seed, size_t n, int (*corpus)(uint64_t, uint64_t, struct labelled *))
{
	static const double p[] = { 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9 };
	static const double hold[] = { 0, 0.05, 0.1 };
	struct track *tracks = calloc(n, sizeof(*tracks));

	for (size_t i = 0; i < n; i++) {
		struct labelled l;

		if (corpus(seed, i, &l))
			return;
		run_track(&l, &tracks[i]);
		labelled_done(&l);
	}
	for (size_t points = 0; points <= 64; points += 64)
		for (size_t i = 0; i < sizeof(p) / sizeof(*p); i++)
			for (size_t k = 0; k < sizeof(hold) / sizeof(*hold); k++)
				sweep_line(tracks, n, points, p[i], hold[k]);
	free(tracks);
}

static int sweep_all(void)
{
	printf("series B\n");
	sweep(SEED_SWEEP, 1000, corpus_stream);
	printf("wide\n");
	sweep(SEED_SWEEP, 600, corpus_stream_wide);
	return 0;
}

static int learn(size_t runs, const struct train_cfg *cfg, const char *path)
{
	static float mean[LIFE_INPUTS], scale[LIFE_INPUTS];
	struct rows train, valid;
	struct train_set sets[2];
	struct train_net net;
	struct mlp view;
	FILE *out;

	if (make_rows(SEED_TRAIN, runs, &train) || make_rows(SEED_VALID, runs / 6, &valid))
		return 1;
	fprintf(stderr, "%zu rows, %zu of other runs\n", train.n, valid.n);
	moments(&train, mean, scale);
	sets[0] = as_set(&train, mean, scale);
	sets[1] = as_set(&valid, mean, scale);
	if (train_net_new(LIFE_INPUTS, HIDDEN0, HIDDEN1, 2, cfg->seed, &net) ||
	    train_run(cfg, &sets[0], &sets[1], &net))
		return 1;
	view = train_net_view(&net, mean, scale);
	out = fopen(path, "w");
	if (!out)
		return 1;
	write_net(out, &view);
	return fclose(out) != 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "out", required_argument, NULL, 'o' },
		{ "runs", required_argument, NULL, 'r' },
		{ "sweep", no_argument, NULL, 's' },
		{},
	};
	struct train_cfg cfg = { 7, 12, 128, 2e-3f, 1e-4f, 0.05f };
	const char *path = "net_growth.inc";
	size_t runs = RUNS;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'o')
			path = optarg;
		else if (c == 'r')
			runs = strtoul(optarg, NULL, 0);
		else if (c != 's')
			return 2;
		else
			return sweep_all();
	}
	return learn(runs, &cfg, path);
}
