/*
 * Threads of one process that were made since tracing began, and who made them. Each live one
 * counts for its creator's site.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "model/sites.h"

struct threads; /* opaque */

int threads_new(size_t limit, struct threads **ret);
void threads_free(struct threads *t);

size_t threads_count(const struct threads *t);
uint64_t threads_refused(const struct threads *t);

/* -ENOMEM; one beyond the limit is counted as refused. */
int threads_add(struct threads *t, uint32_t tid, struct site *site, uint64_t now_ns);
void threads_remove(struct threads *t, uint32_t tid, uint64_t now_ns); /* unknown ones are fine */

/* The threads there were at now_ns, in any order: what is older and not among them has ended. */
int threads_keep(struct threads *t, const uint32_t *tid, size_t n, uint64_t now_ns);
void threads_add_ages(const struct threads *t, uint64_t now_ns);
