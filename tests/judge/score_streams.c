/*
 * Tables of verdicts while a series is written: leaks that are found and after how long, sound runs
 * that are alarmed, what the probability is worth, and how soon a rise is suspected.
 */
#include "score.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "growth/growth.h"
#include "rng.h"
#include "stream_run.h"

#define RUNS_B 800
#define RUNS_WIDE 600
#define FAMILIES_MAX 16
#define NOISE_POINTS 1300000 /* of each kind; eight kinds: four times 30 days of seconds */
#define NOISE_RUN 20000	     /* points of one process */
#define RAMP_RUNS 300
#define RAMP_PAST 300 /* points before the ramp */
#define ALARM_POINTS (30 * 86400.0)
#define RECALL_BAR 0.92
#define CLEAN_BAR 0.15
#define DELAY_BAR 400
#define SUSPECT_BAR 2.5 /* n* */

static const char *const detector_names[STREAM_DETECTORS] = {
	[STREAM_OURS] = "memtrace",
	[STREAM_NAIVE] = "naive rules, last 50",
	[STREAM_TUNED] = "naive rules, tuned, last 50",
	[STREAM_RSS] = "container-RSS rule, last 50",
};

struct group { /* of runs */
	char family[32];
	size_t clean, detectable, alarmed[STREAM_DETECTORS], found[STREAM_DETECTORS];
	size_t episodes[STREAM_DETECTORS];
	double days;
	double *delay[STREAM_DETECTORS], *bound; /* owned: of those found; n* of all detectable */
	double *suspect;			 /* owned: delays of suspicion */
	size_t suspected;
	double bins[STREAM_BINS][3]; /* n, sum of probabilities, leaks */
};

static int group_init(struct group *g, size_t runs)
{
	double *room = calloc(runs * (STREAM_DETECTORS + 2), sizeof(double));

	*g = (struct group){};
	if (!room)
		return -ENOMEM;
	g->bound = room;
	g->suspect = room + runs;
	for (size_t d = 0; d < STREAM_DETECTORS; d++)
		g->delay[d] = room + (2 + d) * runs;
	return 0;
}

static void group_done(struct group *g)
{
	free(g->bound);
	g->bound = NULL;
}

static void group_add(struct group *g, const struct stream_result *run)
{
	g->days += run->days_before;
	g->clean += !run->leak;
	for (size_t b = 0; b < STREAM_BINS; b++) {
		g->bins[b][0] += run->bins[b].n;
		g->bins[b][1] += run->bins[b].sum;
		g->bins[b][2] += run->bins[b].leaks;
	}
	for (size_t d = 0; d < STREAM_DETECTORS; d++) {
		const struct stream_alarms *a = &run->alarms[d];

		g->episodes[d] += a->episodes;
		g->alarmed[d] += !run->leak && a->before;
		if (run->detectable && a->after)
			g->delay[d][g->found[d]++] = (double)a->delay;
	}
	if (!run->detectable)
		return;
	g->bound[g->detectable++] = stream_bound(run->sigmas, ALARM_POINTS);
	if (run->suspected)
		g->suspect[g->suspected++] = (double)run->suspect_delay;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *v, size_t n, double share)
{
	if (!n)
		return NAN;
	qsort(v, n, sizeof(*v), by_size);
	return v[(size_t)(share * (double)(n - 1))];
}

static double ratio(size_t part, size_t all)
{
	return all ? (double)part / (double)all : NAN;
}

typedef int (*corpus_fn)(uint64_t seed, uint64_t number, struct labelled *ret);

/* all, and by family: families[0 .. count). */
struct scores {
	struct group all, families[FAMILIES_MAX];
	size_t count;
};

static void scores_done(struct scores *s)
{
	group_done(&s->all);
	for (size_t i = 0; i < s->count; i++)
		group_done(&s->families[i]);
}

static struct group *family_of(struct scores *s, const char *name, size_t runs)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->families[i].family, name))
			return &s->families[i];
	if (s->count == FAMILIES_MAX || group_init(&s->families[s->count], runs))
		return NULL;
	snprintf(s->families[s->count].family, sizeof(s->families->family), "%s", name);
	return &s->families[s->count++];
}

static int score_runs(struct scores *s, corpus_fn corpus, uint64_t seed, size_t runs)
{
	int r = group_init(&s->all, runs);

	for (size_t i = 0; r == 0 && i < runs; i++) {
		struct stream_result run;
		struct labelled l;
		struct group *family;

		r = corpus(seed, i, &l);
		if (r)
			break;
		r = stream_run(&l, true, &run);
		family = family_of(s, l.family, runs);
		if (r == 0 && family)
			group_add(family, &run);
		if (r == 0)
			group_add(&s->all, &run);
		labelled_done(&l);
	}
	return r;
}

/* --- tables --------------------------------------------------------------------------------- */

static void print_detectors(FILE *out, struct group *g)
{
	fprintf(out,
		"%zu sound runs, %zu with a detectable leak, %.1f process-days without a leak.\n\n"
		"| detector | recall | sound runs alarmed | false alarms/process-day | delay p50 | "
		"p90 |\n| --- | --- | --- | --- | --- | --- |\n",
		g->clean, g->detectable, g->days);
	for (size_t d = 0; d < STREAM_DETECTORS; d++)
		fprintf(out, "| %s | %.3f | %.1f %% | %.2f | %.0f | %.0f |\n", detector_names[d],
			ratio(g->found[d], g->detectable), 100 * ratio(g->alarmed[d], g->clean),
			(double)g->episodes[d] / g->days, quantile(g->delay[d], g->found[d], 0.5),
			quantile(g->delay[d], g->found[d], 0.9));
	fprintf(out, "| least possible, n* |  |  |  | %.0f | %.0f |\n\n",
		quantile(g->bound, g->detectable, 0.5), quantile(g->bound, g->detectable, 0.9));
}

static void print_families(FILE *out, struct scores *s)
{
	fprintf(out, "| nuisance | sound runs alarmed | recall | delay p50 | p90 | n* p50 | "
		     "suspect p50 |\n| --- | --- | --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < s->count; i++) {
		struct group *g = &s->families[i];

		fprintf(out, "| %s | %zu/%zu | %zu/%zu | %.0f | %.0f | %.0f | %.0f |\n", g->family,
			g->alarmed[0], g->clean, g->found[0], g->detectable,
			quantile(g->delay[0], g->found[0], 0.5),
			quantile(g->delay[0], g->found[0], 0.9),
			quantile(g->bound, g->detectable, 0.5),
			quantile(g->suspect, g->suspected, 0.5));
	}
	fprintf(out, "\n");
}

static void print_calibration(FILE *out, const struct group *g)
{
	double error = 0, all = 0;

	fprintf(out, "Probability of a leak against how often one was running:");
	for (size_t b = 0; b < STREAM_BINS; b++) {
		const double *bin = g->bins[b];

		all += bin[0];
		error += fabs(bin[1] - bin[2]);
		if (bin[0] > 0)
			fprintf(out, " %.2f %.2f%s", bin[1] / bin[0], bin[2] / bin[0],
				b + 1 < STREAM_BINS ? "," : "");
	}
	fprintf(out, " (expected calibration error %.3f)\n\n", all > 0 ? error / all : NAN);
}

static int score_corpus(const struct score_cfg *cfg, const char *title, corpus_fn corpus,
			size_t runs, struct scores *s)
{
	int r;

	runs = (size_t)fmax((double)runs * cfg->size, 20);
	*s = (struct scores){};
	r = score_runs(s, corpus, cfg->seed, runs);
	if (r)
		return r;
	fprintf(cfg->out, "### %s\n\n", title);
	print_detectors(cfg->out, &s->all);
	print_families(cfg->out, s);
	print_calibration(cfg->out, &s->all);
	return 0;
}

/* --- suspicion ------------------------------------------------------------------------------ */

struct noise_kind {
	const char *name;
	double white, slow, memory, quantum;
	bool student;
};

static const struct noise_kind kinds[] = {
	{ "white", 1, 0, 1, 0, false },
	{ "Student's t, 3 degrees", 1, 0, 1, 0, true },
	{ "white, rounded to 1.5 sigma", 1, 0, 1, 1.5, false },
	{ "constant but for rounding", 0.01, 0, 1, 1, false },
	{ "memory of 3 points", 0, 1, 3, 0, false },
	{ "memory of 8 points", 0, 1, 8, 0, false },
	{ "memory of 25 points", 0, 1, 25, 0, false },
	{ "memory of 8 points, and white", 1, 1, 8, 0, false },
};

#define KINDS (sizeof(kinds) / sizeof(*kinds))

static double noise_next(const struct noise_kind *k, struct rng *r, double *slow)
{
	double rho = exp(-1 / k->memory), v = rng_normal(r);

	*slow = rho * *slow + sqrt(1 - rho * rho) * rng_normal(r);
	if (k->student) {
		double a = rng_normal(r), b = rng_normal(r), c = rng_normal(r);

		v /= sqrt(a * a + b * b + c * c);
	}
	v = k->white * v + k->slow * *slow;
	return 1000 + (k->quantum > 0 ? k->quantum * floor(v / k->quantum) : v);
}

/* Suspicions that begin on one process. */
static int suspicions_on(const struct noise_kind *k, struct rng *r, size_t n, size_t *suspicions)
{
	struct growth_cfg cfg = growth_defaults();
	double slow = rng_normal(r);
	bool was = false;
	struct growth *g;
	int error = growth_new(&cfg, &g);

	if (error)
		return error;
	for (size_t i = 0; error == 0 && i < n; i++) {
		bool is;

		error = growth_add(g, (double)i, noise_next(k, r, &slow));
		is = growth_opinion(g)->verdict >= GROWTH_SUSPECT;
		*suspicions += is && !was;
		was = is;
	}
	growth_free(g);
	return error;
}

static int score_noise(const struct score_cfg *cfg, double *per_gamma)
{
	size_t points = 0, all = 0;

	fprintf(cfg->out, "### False suspicions on stationary noise\n\n"
			  "| noise | points | suspicions |\n| --- | --- | --- |\n");
	for (size_t k = 0; k < KINDS; k++) {
		struct rng r = rng_new(cfg->seed, 0x9015e + k);
		size_t suspicions = 0, runs = (size_t)(NOISE_POINTS * cfg->size / NOISE_RUN) + 1;

		for (size_t i = 0; i < runs; i++) {
			int error = suspicions_on(&kinds[k], &r, NOISE_RUN, &suspicions);

			if (error)
				return error;
		}
		fprintf(cfg->out, "| %s | %zu | %zu |\n", kinds[k].name, runs * NOISE_RUN,
			suspicions);
		points += runs * NOISE_RUN;
		all += suspicions;
	}
	*per_gamma = (double)all / ((double)points / ALARM_POINTS);
	fprintf(cfg->out, "| all | %zu | %zu |\n\n", points, all);
	return 0;
}

/* Samples from the onset of a ramp in white noise to the suspicion; -ENODATA: none. */
static int ramp_delay(struct rng *r, double slope, double *ret)
{
	struct growth_cfg cfg = growth_defaults();
	bool found = false;
	struct growth *g;
	int error = growth_new(&cfg, &g);

	if (error)
		return error;
	for (int i = 0; !found && error == 0 && i < RAMP_PAST + 3000; i++) {
		double ramp = i >= RAMP_PAST ? slope * (i - RAMP_PAST + 1) : 0;

		error = growth_add(g, i, 1000 + rng_normal(r) + ramp);
		found = i >= RAMP_PAST && growth_opinion(g)->verdict >= GROWTH_SUSPECT;
		if (found)
			*ret = i - RAMP_PAST + 1;
	}
	growth_free(g);
	return error ? error : found ? 0 : -ENODATA;
}

static int score_ramps(const struct score_cfg *cfg, double *worst)
{
	static const double slopes[] = { 1, 0.3, 0.1, 0.03, 0.01 };
	size_t runs = (size_t)fmax(RAMP_RUNS * cfg->size, 20);

	fprintf(cfg->out,
		"### Delay of SUSPECT: a ramp in white noise after %d points\n\n"
		"| slope, sigmas a sample | n* | mean delay | in n* | p90 | missed |\n"
		"| --- | --- | --- | --- | --- | --- |\n",
		RAMP_PAST);
	*worst = 0;
	for (size_t k = 0; k < sizeof(slopes) / sizeof(*slopes); k++) {
		double bound = stream_bound(slopes[k], ALARM_POINTS), sum = 0, v[RAMP_RUNS];
		struct rng r = rng_new(cfg->seed, 0x4a3b + k);
		size_t found = 0;

		for (size_t i = 0; i < runs && i < RAMP_RUNS; i++) {
			int error = ramp_delay(&r, slopes[k], &v[found]);

			if (error && error != -ENODATA)
				return error;
			sum += error ? 0 : v[found];
			found += !error;
		}
		if (slopes[k] >= 0.1)
			*worst = fmax(*worst, found < runs ? INFINITY : sum / found / bound);
		fprintf(cfg->out, "| %.2g | %.1f | %.1f | %.2f | %.0f | %zu |\n", slopes[k], bound,
			sum / (double)found, sum / (double)found / bound, quantile(v, found, 0.9),
			runs - found);
	}
	fprintf(cfg->out, "\n");
	return 0;
}

/* --- bars ----------------------------------------------------------------------------------- */

static int bar(FILE *out, const char *name, double value, const char *sign, double limit)
{
	bool met = *sign == '>' ? value >= limit : value <= limit;

	fprintf(out, "| %s | %s %.3g | %.3g | %s |\n", name, sign, limit, value,
		met ? "met" : "**missed**");
	return !met;
}

static int print_bars(const struct score_cfg *cfg, struct group *b, double suspect, double rate)
{
	double times = NOISE_POINTS * KINDS * cfg->size / ALARM_POINTS; /* 30 process-days */
	double chance = cfg->tolerance > 0 ? 3 / sqrt(times) + 1 / times : 0;
	int missed = 0;

	fprintf(cfg->out, "| bar | asked | here | |\n| --- | --- | --- | --- |\n");
	missed |= bar(cfg->out, "series B: recall of detectable leaks",
		      ratio(b->found[0], b->detectable), ">=", RECALL_BAR - cfg->tolerance);
	missed |= bar(cfg->out, "series B: sound runs alarmed", ratio(b->alarmed[0], b->clean),
		      "<=", CLEAN_BAR + cfg->tolerance);
	missed |= bar(cfg->out, "series B: median delay, samples",
		      quantile(b->delay[0], b->found[0], 0.5), "<=", DELAY_BAR);
	missed |= bar(cfg->out, "SUSPECT: worst mean delay for s >= 0.1, in n*", suspect,
		      "<=", SUSPECT_BAR);
	missed |= bar(cfg->out, "false suspicions in 30 process-days of stationary noise", rate,
		      "<=", 1 + chance);
	return missed;
}

int score_streams(const struct score_cfg *cfg)
{
	struct scores b = {}, wide = {};
	double suspect = NAN, rate = NAN;
	int r;

	r = score_corpus(cfg, "Series B: 1,800 samples from the start of a process", corpus_stream,
			 RUNS_B, &b);
	if (r == 0)
		r = score_corpus(cfg, "Wide: 120 to 4,096 samples, nuisances as long as the run",
				 corpus_stream_wide, RUNS_WIDE, &wide);
	if (r == 0)
		r = score_ramps(cfg, &suspect);
	if (r == 0)
		r = score_noise(cfg, &rate);
	if (r == 0)
		r = print_bars(cfg, &b.all, suspect, rate);
	scores_done(&b);
	scores_done(&wide);
	return r;
}
