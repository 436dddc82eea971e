/* What is counted of verdicts on call sites, and how it is printed. */
#pragma once
#include <stdio.h>

#include "analyse/judge.h"
#include "corpus_sites.h"

enum site_detector {
	SITE_CONFIRMED, /* findings whose things outlive their like */
	SITE_SURE,	/* of these, while their confidence is 0.9 or more */
	SITE_ANY,	/* all findings, also "leak or unbounded cache" */
	SITE_GROWTH,	/* bytes over time: correlation above 0.8 */
	SITE_OLD,	/* things older than 32 s grow in every quarter */
	SITE_DETECTORS,
};

#define SITE_BINS 4  /* by leaked things: 16, 32, 64, 128 and more */
#define CALIB_BINS 5 /* by confidence: below 0.6, 0.7, 0.8, 0.9, up to 1 */
#define DELAYS_MAX 4096

/* One process under watch. */
struct site_run;

int site_run_new(const struct corpus_process *p, struct site_run **ret);
void site_run_freep(struct site_run **run);
int site_run_tick(struct site_run *run, const struct snapshot *snap);

struct site_tally {
	double clean_s, leak_s; /* watched: processes without and with a leak */
	size_t clean_runs, leak_runs;
	size_t false_clean[SITE_DETECTORS], false_leak[SITE_DETECTORS]; /* sites, ever */
	size_t false_clean_end[SITE_DETECTORS];
	size_t right_end[SITE_DETECTORS], wrong_end[SITE_DETECTORS]; /* in runs with a leak */
	size_t right_ever[SITE_DETECTORS];
	size_t leaks[SITE_BINS], freeing[SITE_BINS]; /* freeing: at least some frees at the site */
	size_t found_end[SITE_DETECTORS][SITE_BINS], found_ever[SITE_DETECTORS][SITE_BINS];
	size_t freeing_end[SITE_DETECTORS][SITE_BINS], freeing_ever[SITE_DETECTORS][SITE_BINS];
	size_t first_right, first_asked;
	double delay[SITE_DETECTORS][DELAYS_MAX]; /* INFINITY: not found */
	size_t delays;
	size_t said[2][CALIB_BINS], held[2][CALIB_BINS]; /* when first said; at the end */
	double said_sum[2][CALIB_BINS];
	size_t open_end, open_end_leak; /* runs whose verdict is open at the end */
	size_t open_told, open_kept, open_untold;
};

int site_tally_new(struct site_tally **ret);
void site_tally_freep(struct site_tally **t);

/* Counts a run that is over. */
int site_tally_add(struct site_tally *t, const struct site_run *run);

/* One row of how it went where blocks are sampled, and 1 when a bar was missed. */
void site_tally_head(FILE *out);
int site_tally_row(const struct site_tally *t, const char *name, bool barred, FILE *out);

/* Tables, and 1 when a bar was missed. */
int site_tally_print(const struct site_tally *t, FILE *out);
