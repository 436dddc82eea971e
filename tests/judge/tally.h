/* Counts of right and wrong answers on labelled windows, and the figures made of them. */
#pragma once
#include "corpus.h"

struct answer {
	enum pattern pattern;
	double confidence, leak_probability;
};

#define TALLY_BINS 10
#define TALLY_D1_BINS 6
#define TALLY_THRESHOLDS 4

struct tally_share {
	double right, of; /* counts */
};

struct tally_bin {
	double sum, right, strict, of; /* of what was said; counts; strict: the label itself */
};

struct tally {
	double windows, accepted;
	double confusion[PATTERN_MAX][PATTERN_MAX]; /* truth, answer; one label only */
	/* of windows where accept is all leaks or all no leaks, at P(leak) > threshold */
	struct tally_share recall[TALLY_THRESHOLDS], false_positive[TALLY_THRESHOLDS];
	struct tally_share recall_any, false_positive_any; /* of all windows */
	struct tally_share recall_d1[TALLY_D1_BINS];	   /* of all leaks */
	struct tally_share recall_seen;			   /* d1 >= 9, and clear */
	struct tally_bin leak_bin[TALLY_BINS], confidence_bin[TALLY_BINS];
	struct tally_bin confidence_09; /* said 0.85 to 0.95 */
};

extern const double tally_thresholds[TALLY_THRESHOLDS];
extern const double tally_d1_edges[TALLY_D1_BINS - 1];

void tally_add(struct tally *t, const struct labelled *l, const struct answer *a);
void tally_merge(struct tally *t, const struct tally *other);

/* Shares, NAN where nothing was counted. */
double tally_ratio(struct tally_share s);
double tally_accepted(const struct tally *t);		    /* answers in the accept mask */
double tally_right(const struct tally *t);		    /* of windows with one label */
double tally_recall(const struct tally *t, enum pattern p); /* of these */
double tally_of(const struct tally *t, enum pattern p);	    /* how many of these; 0: all */
double tally_precision(const struct tally *t, int threshold);
double tally_leak_error(const struct tally *t);	      /* expected calibration error */
double tally_confidence_error(const struct tally *t); /* against answers in the accept mask */
