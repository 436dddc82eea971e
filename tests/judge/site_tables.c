/* What was counted, as tables with the bars that it must meet. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "site_tally.h"

#define BAR_PRECISION 0.99
#define BAR_RECALL 0.92
#define BAR_ALARMS 0.1 /* per process-day */
#define BAR_DELAY_50 20
#define BAR_DELAY_90 60
#define BAR_FIRST 0.92
#define BAR_CALIBRATED 0.9 /* of what is said with 0.9 or more */
#define BAR_SAMPLED_RECALL 0.9
#define SAMPLED_BIN 1 /* 32 things and more */
#define LARGE_BIN 2   /* 64 leaked things and more */

static const char *const names[SITE_DETECTORS] = {
	"CONFIRMED",	       "CONFIRMED, at 0.9",    "any finding",
	"bytes grow, r > 0.8", "older than 32 s grow",
};

static double share(size_t part, size_t all)
{
	return all ? (double)part / (double)all : NAN;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const double *v, size_t n, double q)
{
	double sorted[DELAYS_MAX];

	if (!n)
		return NAN;
	memcpy(sorted, v, n * sizeof(*v));
	qsort(sorted, n, sizeof(*sorted), by_value);
	return sorted[(size_t)fmin(floor(q * (double)n), (double)n - 1)];
}

/* Leaks of LARGE_BIN and more. */
static size_t large(const size_t *by_bin)
{
	size_t sum = 0;

	for (int b = LARGE_BIN; b < SITE_BINS; b++)
		sum += by_bin[b];
	return sum;
}

static void print_detectors(const struct site_tally *t, FILE *out)
{
	fprintf(out,
		"%zu leak-free processes, %.1f days; %zu with leaks, %.1f days. A look every 5 s. "
		"Recall from 64 leaked things on.\n\n"
		"| detector | precision, end | ever | recall, end | ever | of sites that free, end "
		"| "
		"ever | false alarms/day, leak-free | beside a leak | still active |\n"
		"|---|---|---|---|---|---|---|---|---|---|\n",
		t->clean_runs, t->clean_s / 86400, t->leak_runs, t->leak_s / 86400);
	for (int d = 0; d < SITE_DETECTORS; d++)
		fprintf(out,
			"| %s | %.3f | %.3f | %.3f | %.3f | %.3f | %.3f | %.2f | %.2f | %zu of %zu "
			"|\n",
			names[d], share(t->right_end[d], t->right_end[d] + t->wrong_end[d]),
			share(t->right_ever[d], t->right_ever[d] + t->false_leak[d]),
			share(large(t->found_end[d]), large(t->leaks)),
			share(large(t->found_ever[d]), large(t->leaks)),
			share(large(t->freeing_end[d]), large(t->freeing)),
			share(large(t->freeing_ever[d]), large(t->freeing)),
			(double)t->false_clean[d] / t->clean_s * 86400,
			(double)t->false_leak[d] / t->leak_s * 86400, t->false_clean_end[d],
			t->false_clean[d]);
}

static void print_bins(const struct site_tally *t, FILE *out)
{
	static const char *const bins[SITE_BINS] = { "16-31", "32-63", "64-127", "128 and more" };

	fprintf(out, "\n| leaked things | sites | CONFIRMED, end | ever | any, end | ever |\n"
		     "|---|---|---|---|---|---|\n");
	for (int b = 0; b < SITE_BINS; b++)
		fprintf(out, "| %s | %zu | %.3f | %.3f | %.3f | %.3f |\n", bins[b], t->leaks[b],
			share(t->found_end[SITE_CONFIRMED][b], t->leaks[b]),
			share(t->found_ever[SITE_CONFIRMED][b], t->leaks[b]),
			share(t->found_end[SITE_ANY][b], t->leaks[b]),
			share(t->found_ever[SITE_ANY][b], t->leaks[b]));
}

static void print_delays(const struct site_tally *t, FILE *out)
{
	fprintf(out,
		"\n| seconds from onset (%zu leaks, 1 or more a second, lives < 5 s) | p10 | p50 | "
		"p90 |\n|---|---|---|---|\n",
		t->delays);
	for (int d = 0; d < SITE_DETECTORS; d++)
		fprintf(out, "| %s | %.0f | %.0f | %.0f |\n", names[d],
			quantile(t->delay[d], t->delays, 0.1),
			quantile(t->delay[d], t->delays, 0.5),
			quantile(t->delay[d], t->delays, 0.9));
}

static void print_confidence(const struct site_tally *t, FILE *out)
{
	static const char *const bins[CALIB_BINS] = { "below 0.6", "0.6-0.7", "0.7-0.8", "0.8-0.9",
						      "0.9 and more" };

	fprintf(out,
		"\n| confidence | first said | mean | right | active at the end | mean | right "
		"|\n|---|---|---|---|---|---|---|\n");
	for (int b = 0; b < CALIB_BINS; b++) {
		fprintf(out, "| %s ", bins[b]);
		for (int w = 0; w < 2; w++)
			fprintf(out, "| %zu | %.2f | %.3f ", t->said[w][b],
				t->said[w][b] ? t->said_sum[w][b] / (double)t->said[w][b] : NAN,
				share(t->held[w][b], t->said[w][b]));
		fprintf(out, "|\n");
	}
	fprintf(out,
		"\nOpen at the end: %zu of %zu leak-free runs, %zu of %zu with leaks. Open "
		"verdicts "
		"that said when they end: %zu, kept %.3f; that did not say: %zu.\n",
		t->open_end, t->clean_runs, t->open_end_leak, t->leak_runs, t->open_told,
		share(t->open_kept, t->open_told), t->open_untold);
}

/* What is not a number misses its bar. */
static int bar(FILE *out, const char *what, double value, double limit, bool at_least)
{
	bool met = at_least ? value >= limit : value <= limit;

	fprintf(out, "| %s | %s %g | %.3f | %s |\n", what, at_least ? ">=" : "<=", limit, value,
		met ? "met" : "**missed**");
	return !met;
}

static int print_bars(const struct site_tally *t, FILE *out)
{
	const int c = SITE_CONFIRMED;
	double all_s = t->clean_s + t->leak_s;
	size_t said = t->said[0][CALIB_BINS - 1], held = t->held[0][CALIB_BINS - 1];
	int missed = 0;

	fprintf(out, "\n| bar | wanted | found | |\n|---|---|---|---|\n");
	missed |=
		bar(out, "precision of CONFIRMED, end",
		    share(t->right_end[c], t->right_end[c] + t->wrong_end[c]), BAR_PRECISION, true);
	missed |= bar(out, "precision of CONFIRMED, ever",
		      share(t->right_ever[c], t->right_ever[c] + t->false_leak[c]), BAR_PRECISION,
		      true);
	missed |= bar(out, "recall of CONFIRMED, 64 leaked and more, end",
		      share(large(t->found_end[c]), large(t->leaks)), BAR_RECALL, true);
	missed |= bar(out, "recall of CONFIRMED, ever",
		      share(large(t->found_ever[c]), large(t->leaks)), BAR_RECALL, true);
	missed |= bar(out, "false CONFIRMED per process-day, leak-free",
		      (double)t->false_clean[c] / t->clean_s * 86400, BAR_ALARMS, false);
	missed |= bar(out, "false CONFIRMED per process-day, all",
		      (double)(t->false_clean[c] + t->false_leak[c]) / all_s * 86400, BAR_ALARMS,
		      false);
	missed |= bar(out, "seconds from onset, p50", quantile(t->delay[SITE_ANY], t->delays, 0.5),
		      BAR_DELAY_50, false);
	missed |= bar(out, "seconds from onset, p90", quantile(t->delay[SITE_ANY], t->delays, 0.9),
		      BAR_DELAY_90, false);
	missed |= bar(out, "right site first", share(t->first_right, t->first_asked), BAR_FIRST,
		      true);
	missed |= bar(out, "right, of findings first given at 0.9", share(held, said),
		      BAR_CALIBRATED, true);
	return missed;
}

int site_tally_print(const struct site_tally *t, FILE *out)
{
	print_detectors(t, out);
	print_bins(t, out);
	print_delays(t, out);
	print_confidence(t, out);
	return print_bars(t, out);
}

/* Leaks of SAMPLED_BIN and more. */
static size_t sampled(const size_t *by_bin)
{
	return large(by_bin) + by_bin[SAMPLED_BIN];
}

void site_tally_head(FILE *out)
{
	fprintf(out,
		"| bytes between samples | leaking sites, 32 sampled losses or more | CONFIRMED: "
		"precision, end | ever | recall, end | ever | any finding: recall, ever | false "
		"CONFIRMED/day, leak-free | beside a leak | seconds from onset, p50 | p90 | |\n"
		"|---|---|---|---|---|---|---|---|---|---|---|---|\n");
}

int site_tally_row(const struct site_tally *t, const char *name, bool barred, FILE *out)
{
	const int c = SITE_CONFIRMED, any = SITE_ANY;
	double end = share(t->right_end[c], t->right_end[c] + t->wrong_end[c]);
	double ever = share(t->right_ever[c], t->right_ever[c] + t->false_leak[c]);
	double recall = share(sampled(t->found_ever[c]), sampled(t->leaks));
	bool missed = !(end >= BAR_PRECISION) || !(ever >= BAR_PRECISION) ||
		      !(recall >= BAR_SAMPLED_RECALL);

	fprintf(out,
		"| %s | %zu | %.3f | %.3f | %.3f | %.3f | %.3f | %.2f | %.2f | %.0f | %.0f | %s "
		"|\n",
		name, sampled(t->leaks), end, ever,
		share(sampled(t->found_end[c]), sampled(t->leaks)), recall,
		share(sampled(t->found_ever[any]), sampled(t->leaks)),
		(double)t->false_clean[c] / t->clean_s * 86400,
		(double)t->false_leak[c] / t->leak_s * 86400,
		quantile(t->delay[any], t->delays, 0.5), quantile(t->delay[any], t->delays, 0.9),
		!barred	 ? ""
		: missed ? "**missed**"
			 : "met");
	fflush(out);
	return barred && missed;
}
