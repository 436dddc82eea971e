/*
 * Simulated processes with call sites of known truth (series C): 6 to 15 sites with churn, caches,
 * pools and start-up work under a common load; one or two of them may leak. The narrow variant
 * has independent lifetimes of at most 20 s on average; the wide one also what such a generator
 * leaves out: sessions, batch frees, collectors, queues, expiry, reloads, late and slow leaks.
 */
#pragma once
#include "rng.h"
#include "site_engine.h"

enum source_kind {
	SOURCE_CHURN = 1,
	SOURCE_START,	  /* made in a stretch of time and kept */
	SOURCE_FILLING,	  /* distinct keys of a table: ever slower, up to an end */
	SOURCE_FIFO,	  /* cache with a cap that drops its oldest */
	SOURCE_EVICTING,  /* cache with a cap that drops any */
	SOURCE_POOL,	  /* grows with the highest concurrency */
	SOURCE_SESSIONS,  /* things of several sites that die together after minutes */
	SOURCE_COLLECTED, /* freed in batches by a collector with two generations */
	SOURCE_EXPIRY,	  /* all live equally long */
	SOURCE_QUEUE,	  /* served in order, at times more slowly than filled */
	SOURCE_RELOADED,  /* replaced as a whole now and then */
	SOURCE_SHRINKING, /* made at the start, given up later */
};

enum life_kind { LIFE_EXPONENTIAL, LIFE_LOG_NORMAL, LIFE_PARETO };

struct kept {
	double born_s;
	uint64_t held; /* weight.h; 0: not sampled */
	double until_s;
};

struct source {
	enum source_kind kind;
	size_t site, more[2], more_count; /* more: sites of sessions */
	double rate, from_s, to_s;
	enum life_kind life;
	double life_s;	 /* mean; residence, time constant or expiry */
	double period_s; /* collections, reloads */
	double leak_share;
	size_t cap, count, head;
	struct kept *kept;   /* owned; cap of them */
	double next_s, busy; /* next reload; end of the queue's work */
	bool steady;	     /* does not follow the load */
};

#define CORPUS_SOURCES 48

struct corpus_process {
	struct engine engine;
	struct rng rng;
	struct source source[CORPUS_SOURCES];
	size_t sources;
	float load[ENGINE_SECONDS + 1]; /* factor on rates, by second */
	bool leaking;
};

/* number: one process of the family that the seed gives. -ENOMEM; *ret is then untouched. */
int corpus_process_new(uint64_t seed, uint64_t number, bool wide, bool leaking,
		       struct corpus_process **ret);
void corpus_process_free(struct corpus_process *p);
void corpus_process_freep(struct corpus_process **p);

/* Plays up to a whole second. -ENOMEM. */
int corpus_process_play(struct corpus_process *p, double to_s);
