/* One labelled stream through detectors that look at every point. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "corpus.h"

enum stream_detector { STREAM_OURS, STREAM_NAIVE, STREAM_TUNED, STREAM_RSS, STREAM_DETECTORS };

#define STREAM_WINDOW 50 /* points that the window rules look at */
#define STREAM_BINS 10	 /* of leak_probability */

struct stream_alarms {
	bool before, after; /* the leak begins; without a leak all is before */
	size_t episodes;    /* that begin before it */
	size_t delay;	    /* samples from the onset to the first alarm after it */
};

struct stream_result {
	bool leak, detectable; /* detectable: d1 >= 8 and growth > 10 max(sigma, quantum) */
	size_t before, onset;  /* samples without a leak; index of the onset */
	double days_before;    /* the same in days */
	double sigmas;	       /* slope of the leak, per sample */
	struct stream_alarms alarms[STREAM_DETECTORS];
	bool suspected;
	size_t suspect_delay;
	struct {
		double n, sum, leaks; /* of leak_probability, at every 50th sample */
	} bins[STREAM_BINS];
};

/* baselines: run these, too. -ENOMEM. */
int stream_run(const struct labelled *l, bool baselines, struct stream_result *ret);

double stream_bound(double sigmas, double alarm_points); /* n*: mean delay, in samples */
