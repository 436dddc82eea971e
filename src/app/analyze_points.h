/* A bare series, one point per line: `{"t" | "time", "value"}`. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "analyse/severity.h"
#include "report/sink.h"

struct points_cfg {
	const struct sink_ops *ops;
	struct sink_cfg sink;
	const char *name; /* borrowed: of the input */
	struct severity_cfg severity;
	uint64_t limit_bytes; /* 0: none */
};

struct points; /* opaque */

int points_new(const struct points_cfg *cfg, struct points **ret); /* -ENOMEM */
void points_free(struct points *p);				   /* NULL is fine */

/* One line: a point, or {"t", "kind": "restart"}. -EBADMSG with *why, or a negative errno. */
int points_take(struct points *p, const json_t *o, const char **why);

bool points_told(const struct points *p); /* one point at least was taken */

/* The last word; nothing when there was no point. */
int points_end(struct points *p, bool stopped, bool *ret_leak);
