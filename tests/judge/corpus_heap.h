/*
 * A program that allocates too fast for probes to stay in: they are in for windows of time, and
 * the ends of blocks between them are seen only when their memory is used again (model/exposure.h).
 * Every block is played at its address (heap_model.h); what the tracer sees goes through the
 * accounting of the kernel side, the sweep after each window and the judge. Sites: hot ones with
 * lives of milliseconds, some with lives of seconds, caches, queues, bursts; one may leak.
 */
#pragma once
#include "rng.h"
#include "site_engine.h"

struct heap_plan {
	uint64_t seed, number;
	double rate; /* pairs a second */
	double window_s, period_s, end_s;
	bool leaks;	  /* 20 kB/s from its own site */
	uint32_t bytes;	  /* of each leaked block; 0: 100 to 1000 */
	double leak_from; /* second in which it begins */
};

struct corpus_heap; /* opaque */

/* -ENOMEM. */
int corpus_heap_new(const struct heap_plan *plan, struct corpus_heap **ret);
void corpus_heap_freep(struct corpus_heap **p);
/* Plays up to a whole second. -ENOMEM. */
int corpus_heap_play(struct corpus_heap *p, double to_s);
struct engine *corpus_heap_engine(struct corpus_heap *p);
/* A cache that drops nothing for its first 50 s: until then nobody can know that it has an end. */
bool corpus_heap_fills(const struct corpus_heap *p, size_t site);
