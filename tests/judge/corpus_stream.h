/* What makes a running series: nuisances (corpus_stream_nuisance.c) under noise and a leak. */
#pragma once
#include <stddef.h>

#include "corpus.h"
#include "corpus_noise.h"

/* A series that is being made: times count samples, heights are in units: sigmas, unless the noise
 * is less than usual. */
struct maker {
	struct rng rng;
	size_t n, from; /* from: samples before it belong to a former process */
	size_t seen;	/* samples before it are not seen: it was attached to */
	double *y;	/* n heights, borrowed */
	double unit;	/* bytes of a height of 1 */
	bool wide;	/* of the wide variant */
	struct labelled *out;
};

struct nuisance {
	const char *name;
	void (*add)(struct maker *m);
};

extern const struct nuisance stream_nuisances[], wide_nuisances[];
extern const int stream_nuisance_count, wide_nuisance_count;

double maker_height(struct maker *m); /* of a nuisance, in sigmas */
void maker_warm_up(struct maker *m, double tau);
