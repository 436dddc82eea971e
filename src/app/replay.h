/*
 * The records of one process, as memtrace wrote them, back into what its judge saw: snapshot,
 * owners, ledger. Only what was told is known: a call site that was not among the top ones of a
 * tick is left out of it, unless that report had room left for it: then it held nothing.
 * Records are foreign. Tables are bounded, and what they refuse is counted.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyse/judge.h"
#include "profile/intern.h"

#define REPLAY_SITES_MAX 16384	    /* of all processes together */
#define REPLAY_FRAMES_MAX (1 << 20) /* likewise, in stacks */
#define REPLAY_MODULES_MAX 4096	    /* of one process */
#define REPLAY_STACK_MAX 512	    /* frames of one stack */
#define REPLAY_POINTS 128	    /* of one site's history */
#define REPLAY_TEXTS_BYTES ((size_t)32 << 20)

/* What all processes of an input share: names, and how much was taken. */
struct replay_store {
	struct intern texts;
	size_t sites, frames;
	size_t sites_max, frames_max;
	uint64_t refused_sites, refused_texts, refused_frames, refused_modules;
};

void replay_store_init(struct replay_store *s); /* with the limits above */
void replay_store_done(struct replay_store *s);

struct replay; /* opaque */

/* store: borrowed, outlives the replay. limit_bytes: memory that there is, 0: as recorded. */
int replay_new(struct replay_store *store, uint32_t pid, uint64_t limit_bytes, struct replay **ret);
void replay_free(struct replay *p); /* NULL is fine */

/* The functions that take a record: 0, -ENOMEM, or -EBADMSG with *why (static text). */
int replay_start(struct replay *p, const json_t *record, const char **why);
/* Begins a tick at t_s (since tracing began), which is later than the one before. */
int replay_sample(struct replay *p, const json_t *record, double t_s, const char **why);
/* One site of the tick that was begun last. */
int replay_site(struct replay *p, const json_t *record, const char **why);

/* A tick for the judge; everything in it is owned by the view or borrowed from the replay, and is
 * valid until the replay takes another record. */
struct replay_view {
	struct snapshot snap;
	struct owner *owners;
	struct ledger ledger;
	struct judge_input input; /* of the three above */
	struct snap_module *modules;
	struct snap_site *sites;
	struct snap_frame *frames;
	double *points;
};

/* The process runs another program: sites and history are those of nobody any more. -ENOMEM. */
int replay_executed(struct replay *p);

/* complete: all sites of the tick were told; otherwise those of the tick before stand in for what
 * may still come. -EAGAIN before the first one, -ENOMEM; *ret is written only on success. */
int replay_view(struct replay *p, bool complete, struct replay_view *ret);
void replay_view_done(struct replay_view *v);

/* External memory, oldest first: the values and their times are valid until the next sample. */
struct snap_series replay_external(const struct replay *p);
