/*
 * Growing series whose future is known: a window is shown, and when the signal (what is left
 * without noise) will reach a limit is the truth.
 */
#pragma once
#include "corpus.h"
#include "corpus_noise.h"

enum continued_noise { CONTINUED_WHITE, CONTINUED_SLOW, CONTINUED_STUDENT, CONTINUED_NOISES };

enum continued_kind {
	CONTINUED_LINE,
	CONTINUED_WARM_LINE, /* after a warm-up */
	CONTINUED_LATE_LINE, /* flat, then a line */
	CONTINUED_EXPONENTIAL,
	CONTINUED_LATE_EXPONENTIAL,
	CONTINUED_POWER,
	CONTINUED_STAIRS,
	CONTINUED_SAW,
	CONTINUED_KINDS
};

extern const char *const continued_names[CONTINUED_KINDS];
extern const char *const continued_noise_names[CONTINUED_NOISES];

struct continued {
	struct labelled series; /* owned; d1, rate_per_s (at the last point, also of curves) set */
	enum continued_kind kind;
	enum continued_noise noise;
	double limit, truth_s; /* truth_s: from the last point */
	/* Cramer and Rao's bound: relative standard error of the best possible unbiased answer, the
	 * noise, the shape and where it began being known; NAN for stairs and saws, whose future is
	 * chance. */
	double bound;
};

int corpus_continued(uint64_t seed, uint64_t number, struct continued *ret); /* -ENOMEM */
