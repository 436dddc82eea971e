/*
 * What sites claim to gather, held against the process: it cannot gather more than that grows by
 * and what is freed elsewhere makes room for. Pure.
 */
#pragma once
#include <stdbool.h>

#include "analyse/judge.h"
#include "analyse/subjects.h"
#include "analyse/turnover.h"

/* A process at one tick; all borrowed. */
struct conserve {
	const struct judge_cfg *cfg;
	const struct snapshot *snap;
	struct subjects *subjects;
	const struct turnover *turnover; /* this tick included */
	const double *external;		 /* on the grid of robust.h; NULL: not known */
};

/* What sites whose blocks come from traced allocators are said to grow by. */
struct claim {
	double bytes_per_s, count_per_s, window_s;
	double weight; /* blocks that one observation stands for */
};

/* Growth of external memory over the last span_s; NAN when it is not known. */
double conserve_growth(const struct conserve *c, double span_s);

/* The process grew by far less than that pace, free memory that was used up included. */
bool conserve_lacks(const struct conserve *c, double bytes_per_s, double span_s);

/*
 * Probes in windows see births, and hardly a death of what lives for long: a full cache goes on
 * growing for them. The process knows better: it does not, nor does it use up free memory.
 * all_per_s: that all of its sites claim.
 */
bool conserve_contradicts(const struct conserve *c, const struct claim *claim, double all_per_s);

/*
 * What gathers takes the place of what was there before tracing began, or came unseen, as in a
 * cache that is full: as many blocks are freed as come, and the process does not grow by what is
 * claimed, as far as that could be seen. alone: it gained less than this claim by itself; else
 * than all that gathers.
 */
bool conserve_is_replacing(const struct conserve *c, const struct claim *claim, bool alone);

/* The process grew by what can be seen of it, in the whole window. */
bool conserve_shows(const struct conserve *c, const struct claim *claim);

/* The process grew by so much more of late that this claim cannot be seen in it. */
bool conserve_drowns(const struct conserve *c, const struct claim *claim);

/*
 * How much of what gathered in windows over the last span_s, as far as they show, is real: all of
 * it is no more than the process grew by. 1 where nothing is known of that.
 */
double conserve_real_share(const struct conserve *c, double span_s);
