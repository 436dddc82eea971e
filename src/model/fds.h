/*
 * Descriptors of one process: events say who opened and closed them and when, facts (a reading of
 * the whole table) say what they are and overrule. A descriptor that was there before tracing, or
 * whose opening was missed, has no site. Each live one counts for its opener's site.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/fact.h"
#include "model/sites.h"

#define FDS_NUMBER_MAX (1 << 20) /* higher descriptors are refused */

struct fds; /* opaque */

/* One live descriptor, by value. */
struct fd_entry {
	struct fd_fact fact; /* what is not known is 0 or FACT_UNKNOWN */
	struct site *site;   /* borrowed; NULL: not known */
	uint64_t opened_ns;  /* 0: not known */
};

/* limit: most descriptors, rounded up to 256. */
int fds_new(size_t limit, struct fds **ret);
void fds_free(struct fds *t);

size_t fds_count(const struct fds *t);
uint64_t fds_refused(const struct fds *t);
/* The first live descriptor not below *number; *number becomes the next one to ask for. */
bool fds_next(const struct fds *t, int *number, struct fd_entry *ret);

/* A call returned the new descriptor fd. -ENOMEM; one beyond the limits is counted as refused. */
int fds_open(struct fds *t, int fd, enum fd_kind kind, struct site *site, uint64_t now_ns);
/* fd becomes a copy of `from`, and what it was before is closed. */
int fds_dup(struct fds *t, int from, int fd, struct site *site, uint64_t now_ns);
/* Peer of a connect: the bytes of a sockaddr. */
void fds_connect(struct fds *t, int fd, const void *address, size_t len);

/* Thread tid begins to close descriptors first to last. Done, unless fds_undo() follows. */
void fds_close(struct fds *t, uint32_t tid, uint64_t first, uint64_t last, uint64_t now_ns);
void fds_undo(struct fds *t, uint32_t tid);

/*
 * A reading of the whole table that began at now_ns. What events changed since then stands. The
 * table is complete from then on until it is marked incomplete: something was opened that events
 * do not show, or the reading is no longer fresh.
 */
int fds_set_facts(struct fds *t, const struct fd_fact *fact, size_t n, uint64_t now_ns);
/* What was said on a socket; see talks.h. */
int fds_add_talk(struct fds *t, uint64_t inode, const struct protocol_verdict *v, uint64_t now_ns,
		 bool *ret_done);
/* Of the last reading; see talks.h. */
size_t fds_count_unknown(const struct fds *t, bool inside);
bool fds_has_streams(const struct fds *t);
/* Native memory of connections, of which those that are not open are left out. -ENOMEM. */
int fds_set_native(struct fds *t, const struct native_fact *native, size_t n,
		   const struct native_left *left);
struct native_left fds_left(const struct fds *t);
void fds_mark_incomplete(struct fds *t);
bool fds_is_complete(const struct fds *t);

/* The sites go away (exec): descriptors stay, their openers are forgotten. */
void fds_forget_sites(struct fds *t);
/* Settles closes that began long before now_ns. */
void fds_settle(struct fds *t, uint64_t now_ns);
void fds_add_ages(const struct fds *t, uint64_t now_ns);
