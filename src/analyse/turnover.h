/*
 * How many blocks came and how many were freed in a process as a whole. What was there before
 * tracing began belongs to no call site, but its frees are seen: where as many blocks are freed as
 * come, those that gather take the place of others. So does a cache that was full when tracing
 * began, until all that was in it is replaced. And where probes are in for windows, of which each
 * sees all that is born and freed in it, the difference of both is what is gained on average,
 * though the ends of most blocks that were seen to come are not seen. Pure; bounded.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define TURNOVER_POINTS 128

/* Sums since tracing began; live: as far as call sites know of it. */
struct turnover_point {
	double t_s;
	double born, freed; /* also blocks that no call site has; NAN: not known */
	double live_count, live_bytes;
};

/* Zeroed: nothing is known yet. */
struct turnover {
	struct turnover_point point[TURNOVER_POINTS]; /* oldest first */
	size_t count, ticks;
	unsigned int apart_log2; /* of the ticks that stay, after so many comes the next */
	bool passing;		 /* the newest one is not of them */
};

/*
 * Adds a tick, which is later than the one before. When the table is full every other one is
 * dropped, and from then on fewer stay; when what is live is not known (NAN), all are.
 */
void turnover_add(struct turnover *t, const struct turnover_point *now);

/* What became of the sums in span_s. */
struct turnover_change {
	double span_s, born, freed, live_count, live_bytes;
	double scatter; /* of born - freed, as neighbouring ticks show; NAN: too few */
};

/* Since then; false: it is not known. */
bool turnover_since(const struct turnover *t, double since_s, struct turnover_change *ret);

/*
 * Is what was gained less than this share of the blocks that are claimed to have gathered? Never
 * where so much came and went beside it that the sums do not tell. weight: blocks that one
 * observation stands for.
 */
bool turnover_denies(const struct turnover_change *d, double weight, double claimed, double share);
