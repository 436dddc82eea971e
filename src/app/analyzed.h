/* One process whose records are being judged: its replay, its judge, and who is told. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "app/replay.h"
#include "app/timeline.h"
#include "report/sink.h"

struct analyzed_cfg {
	const struct sink_ops *ops; /* jsonl or text */
	struct sink_cfg sink;	    /* its host is of no meaning */
	struct judge_cfg judge;
	struct replay_store *store; /* borrowed, outlives all */
	uint64_t limit_bytes;	    /* 0: as recorded */
};

struct analyzed; /* opaque */

/* record: any of the process, for its names. -ENOMEM. */
int analyzed_new(const struct analyzed_cfg *cfg, uint32_t pid, const json_t *record,
		 struct analyzed **ret);
void analyzed_free(struct analyzed *a); /* NULL is fine */

/* Is this a record of that process? Hosts that differ have processes of their own. */
bool analyzed_matches(const struct analyzed *a, uint32_t pid, const char *host);

/* Does the record belong to a later life of the process: another start, or ANALYZED_FALLS samples
 * in a row whose elapsed_s lies before those that were used? Asked once for each record. */
#define ANALYZED_FALLS 3 /* fewer are out of order */
bool analyzed_is_anew(struct analyzed *a, const char *type, const json_t *record);

/* 0; -EBADMSG with *why (static text); another negative errno: memory, or the output failed. */
int analyzed_take(struct analyzed *a, const char *type, const json_t *record, const char **why);

/* Nothing more may come for a while: what is there is judged and told. */
int analyzed_settle(struct analyzed *a);

/* The last word. why: static text, NULL when the record of the end was there. */
int analyzed_end(struct analyzed *a, bool stopped, const char *why, bool *ret_leak);

bool analyzed_ended(const struct analyzed *a); /* the record of its end was taken */
