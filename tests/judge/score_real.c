/* Recorded series, point by point: who cries wolf, who finds the leaks, and after how long. */
#include "score.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "baseline_naive.h"
#include "baseline_rss.h"
#include "growth/growth.h"
#include "recorded.h"

#define WINDOW 50 /* points that the window rules look at */

/* The first moment at which a detector says leak; NAN: never. */
typedef int (*watch_fn)(const struct recorded *s, double *ret);

static int watch_growth(const struct recorded *s, enum growth_verdict from, double *ret)
{
	struct growth_cfg cfg = growth_defaults();
	double first = NAN;
	struct growth *g;
	int r = growth_new(&cfg, &g);

	if (r)
		return r;
	for (size_t i = 0; i < s->n && isnan(first); i++) {
		r = growth_add(g, s->t_s[i], s->value[i]);
		if (r == -ENOMEM)
			break;
		if (growth_opinion(g)->verdict >= from)
			first = s->t_s[i];
	}
	growth_free(g);
	if (r == -ENOMEM)
		return r;
	*ret = first;
	return 0;
}

static int watch_leak(const struct recorded *s, double *ret)
{
	return watch_growth(s, GROWTH_LEAK, ret);
}

static int watch_suspect(const struct recorded *s, double *ret)
{
	return watch_growth(s, GROWTH_SUSPECT, ret);
}

static bool naive_says(const struct naive_cfg *cfg, const double *t, const double *v)
{
	struct naive_answer a;

	naive_judge(cfg, t, v, WINDOW, &a);
	return a.leak;
}

static int watch_naive(const struct recorded *s, double *ret)
{
	struct naive_cfg cfg = naive_defaults();

	*ret = NAN;
	for (size_t i = WINDOW; i <= s->n && isnan(*ret); i++)
		if (naive_says(&cfg, s->t_s + i - WINDOW, s->value + i - WINDOW))
			*ret = s->t_s[i - 1];
	return 0;
}

static int watch_tuned(const struct recorded *s, double *ret)
{
	struct naive_cfg cfg = naive_tuned();

	*ret = NAN;
	for (size_t i = WINDOW; i <= s->n && isnan(*ret); i++)
		if (naive_says(&cfg, s->t_s + i - WINDOW, s->value + i - WINDOW))
			*ret = s->t_s[i - 1];
	return 0;
}

static int watch_rss(const struct recorded *s, double *ret)
{
	*ret = NAN;
	for (size_t i = WINDOW; i <= s->n && isnan(*ret); i++)
		if (rss_rule_leaks(s->t_s + i - WINDOW, s->value + i - WINDOW, WINDOW))
			*ret = s->t_s[i - 1];
	return 0;
}

static const struct {
	const char *name;
	watch_fn watch;
} watchers[] = {
	{ "memtrace, leak", watch_leak },
	{ "memtrace, suspect", watch_suspect },
	{ "naive rules, windows of 50", watch_naive },
	{ "naive rules, tuned", watch_tuned },
	{ "container-RSS rule, windows of 50", watch_rss },
};

#define WATCHERS (sizeof(watchers) / sizeof(*watchers))

static const char *const sources[] = { "own/", "eso/", "machine/" };

#define SOURCES (sizeof(sources) / sizeof(*sources))

/* One moment for each series and watcher, series by series. */
static int watch_all(const struct recorded_set *set, double **ret)
{
	double *first = calloc(set->count * WATCHERS, sizeof(*first));
	int r = first ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < set->count; i++)
		for (size_t w = 0; r == 0 && w < WATCHERS; w++)
			r = watchers[w].watch(&set->series[i], &first[i * WATCHERS + w]);
	if (r) {
		free(first);
		return r;
	}
	*ret = first;
	return 0;
}

/* How many series of a source, leaking or not, a watcher alarms on; ret_of: how many there are. */
static size_t alarms(const struct recorded_set *set, const double *first, size_t watcher,
		     const char *source, bool leak, size_t *ret_of)
{
	size_t count = 0;

	*ret_of = 0;
	for (size_t i = 0; i < set->count; i++) {
		if (set->series[i].leak != leak ||
		    strncmp(set->series[i].id, source, strlen(source)))
			continue;
		(*ret_of)++;
		count += !isnan(first[i * WATCHERS + watcher]);
	}
	return count;
}

static void print_alarms(FILE *out, const struct recorded_set *set, const double *first)
{
	size_t count, of;

	fprintf(out, "| alarms on series |");
	for (size_t k = 0; k < 2 * SOURCES; k++)
		fprintf(out, " %.*s, %s |", (int)strlen(sources[k / 2]) - 1, sources[k / 2],
			k % 2 ? "leaking" : "leak-free");
	fprintf(out, "\n| --- | --- | --- | --- | --- | --- | --- |\n");
	for (size_t w = 0; w < WATCHERS; w++) {
		fprintf(out, "| %s |", watchers[w].name);
		for (size_t k = 0; k < 2 * SOURCES; k++) {
			count = alarms(set, first, w, sources[k / 2], k % 2, &of);
			fprintf(out, " %zu of %zu |", count, of);
		}
		fprintf(out, "\n");
	}
	fprintf(out, "\n");
}

static void print_delays(FILE *out, const struct recorded_set *set, const double *first)
{
	const struct recorded *s;

	fprintf(out, "Seconds from the onset of a leak to the alarm; before it: negative:\n\n| |");
	for (size_t w = 0; w < WATCHERS; w++)
		fprintf(out, " %s |", watchers[w].name);
	fprintf(out, "\n| --- |");
	for (size_t w = 0; w < WATCHERS; w++)
		fprintf(out, " --- |");
	fprintf(out, "\n");
	for (size_t i = 0; i < set->count; i++) {
		s = &set->series[i];
		if (!s->leak)
			continue;
		fprintf(out, "| %s |", s->id);
		for (size_t w = 0; w < WATCHERS; w++)
			if (isnan(first[i * WATCHERS + w]))
				fprintf(out, " not found |");
			else
				fprintf(out, " %.0f |", first[i * WATCHERS + w] - s->onset_s);
		fprintf(out, "\n");
	}
	fprintf(out, "\n");
}

/* No alarm on what does not leak, by name if there is one. */
static int check_bar(FILE *out, const struct recorded_set *set, const double *first)
{
	size_t wrong = 0, of = 0;

	for (size_t i = 0; i < set->count; i++) {
		of += !set->series[i].leak;
		if (set->series[i].leak || isnan(first[i * WATCHERS]))
			continue;
		wrong++;
		fprintf(out, "Wrong alarm: %s after %.0f s.\n", set->series[i].id,
			first[i * WATCHERS]);
	}
	fprintf(out,
		"| bar | figure | bar | |\n| --- | --- | --- | --- |\n"
		"| series without a leak that are alarmed | %zu of %zu | 0 | %s |\n\n",
		wrong, of, wrong ? "**missed**" : "met");
	return wrong > 0;
}

int score_real(const struct score_cfg *cfg)
{
	struct recorded_set set;
	char path[4096];
	double *first;
	int r;

	snprintf(path, sizeof(path), "%s/series/series.jsonl.xz", cfg->data);
	r = recorded_load(path, &set);
	if (r)
		return r;
	r = watch_all(&set, &first);
	if (r == 0) {
		print_alarms(cfg->out, &set, first);
		print_delays(cfg->out, &set, first);
		r = check_bar(cfg->out, &set, first);
		free(first);
	}
	recorded_done(&set);
	return r;
}
