/*
 * Labelled series, made from seeds. What is asked of a window and of a stream is in
 * detection terms: d1 is the growth after projection on the nuisance (constant, warm-up) over its
 * standard error under the true noise (the best possible recall at a false-alarm rate a is
 * Phi(d1 - z_a)); d2 the same with a line as nuisance.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "growth/pattern.h"

#define CORPUS_POINTS_MAX 4096

struct labelled {
	char family[32];
	size_t n;
	double *t_s, *value; /* owned */
	double restart_t_s[4];
	size_t restart_count;
	enum pattern label;
	uint32_t accept; /* bit 1 << enum pattern: answers that no observer could exclude; that of
			  * PATTERN_NONE: a restart has just been */
	bool leak;	 /* the truth: memory is lost */
	double d1, d2;
	double sigma, quantum;
	double rate_per_s;  /* linear and exponential: true growth rate at the last point; else NAN
			     */
	double onset_s;	    /* streams: when the leak begins; NAN without */
	double rate, level; /* exponential: value = level + c e^(rate (t - t0)); else 0 */
};

void labelled_done(struct labelled *l);

/* Windows (series A of the protocol): n points, 8 to CORPUS_POINTS_MAX. The same arguments give the
 * same series. -EINVAL, -ENOMEM. */
int corpus_window(uint64_t seed, uint64_t number, size_t n, struct labelled *ret);
/* The wide set of windows: these families and many more, any sampling, base, noise and rounding
 * that real readers meet; n = 0 draws 8 to 1,200. Harder to label: look at accept. */
int corpus_window_wide(uint64_t seed, uint64_t number, size_t n, struct labelled *ret);
/* Windows of nothing but noise: what a judge sees most of the time. 8 to CORPUS_POINTS_MAX points.
 */
int corpus_window_idle(uint64_t seed, uint64_t number, size_t n, struct labelled *ret);
/* Streams (series B): 1,800 points, half of them leak. */
int corpus_stream(uint64_t seed, uint64_t number, struct labelled *ret);

/* Other lengths, and nuisances that last as long as what is seen of them. Of streams with a leak:
 * d1 is 900 samples after the onset (or at the end), d2 the growth by then over the larger of sigma
 * and quantum, rate_per_s its mean over 900 samples. */
int corpus_stream_wide(uint64_t seed, uint64_t number, struct labelled *ret);
