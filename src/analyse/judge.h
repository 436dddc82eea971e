/*
 * The judge: series in, findings out. It remembers what must outlive a tick (hits in a row, what
 * was reported, when it was first seen) and nothing else; no clock, no I/O. A judge belongs to
 * one process: the caller makes a new one when the process restarts.
 */
#pragma once
#include "analyse/analysis.h"
#include "analyse/fusion.h"
#include "analyse/records.h"
#include "analyse/severity.h"
#include "analyse/suspect.h"
#include "analyse/whole.h"

#define JUDGE_RECORDS_MAX 4096 /* suspects remembered; more are refused and counted */
#define JUDGE_RECENT_MAX 8192  /* groups whose recent past is known; the same */

/* What an allocator keeps after a peak, and from when it is worth a word. */
struct slack_cfg {
	double min_bytes, min_share; /* of external memory */
};

/* Every threshold of the verdict; judge_defaults() says why each has its value. */
struct judge_cfg {
	struct suspect_cfg suspect;
	struct severity_cfg severity;
	struct fusion_cfg fusion;
	struct whole_cfg whole;
	struct slack_cfg slack;
	double min_elapsed_s;	 /* no verdict before */
	double known_factor;	 /* on the time after which a suspect alone would be known */
	double hold_s;		 /* an opinion must hold this long, over two ticks at least */
	double sparse_tick_s;	 /* ticks this far apart need not be two ... */
	double sparse_elapsed_s; /* ... once this much was seen */
	double quiet_s;		 /* a finding that grew no more for this long has stopped */
	double quiet_share;	 /* ... and for this share of the time that it grew */
	double quiet_pace;	 /* growth below this share of its old pace is another story */
	double settled_share;	 /* survivors quiet for this share of their growth: a full cache */
	double gone_share;	 /* freed share of what was held at the highest */
	double visible_bytes;	 /* growth that the process must show, if it is real */
	double books_share;	 /* of a heap's gain: what its runtime keeps to manage it */
	double idle_s;		 /* a program with no allocation elsewhere for this long idles */
	double drowned_share;	 /* of the process's growth: less is no part of it that shows */
	double in_flight;	 /* blocks of a window that may be live when it closes */
	double certain_least; /* of an estimate, whatever its error: the process may gainsay so much
			       */
};

struct judge_cfg judge_defaults(void);

struct judge; /* opaque */

int judge_new(struct judge **ret);
void judge_free(struct judge *j); /* NULL is fine */
void judge_freep(struct judge **j);

/* What bounds the memory of the process. kind NULL: nothing is known to. */
struct judge_limits {
	double bytes;
	const char *kind;  /* static: "cgroup", "rlimit" or "machine" */
	double used_bytes; /* of that limit, now, by all whom it binds; NAN when not known */
};

/* One tick of one process; all borrowed during the call. */
struct judge_input {
	const struct snapshot *snap;
	const struct owner *owners;  /* parallel to the snapshot's sites; may be NULL */
	const struct ledger *ledger; /* may be NULL */
	struct judge_limits limits;
	const char *runtime; /* "v8", "jvm", "cpython", "go"; NULL or "none" without */
	bool final;	     /* the last tick: patterns are judged with every point there is */
};

/*
 * Judges one tick. On success *ret and *ret_patterns (may be NULL) are the caller's, to be released
 * with findings_done() and patterns_done(); findings are all so far, also those gone. -ENOMEM;
 * neither is then touched, and the same tick may be given again.
 */
int judge_tick(struct judge *j, const struct judge_cfg *cfg, const struct judge_input *in,
	       struct findings *ret, struct patterns *ret_patterns);

uint64_t judge_refused(const struct judge *j);
