/*
 * What is spoken on the sockets of one process, by inode number, and what that says of sockets that
 * are like them. Bounded; what is not open any more is forgotten when the descriptors are read.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "decode/fact.h"

struct talks; /* opaque */

/* limit: most sockets. */
int talks_new(size_t limit, struct talks **ret);
void talks_free(struct talks *t);

/*
 * Takes in what a message says, be it nothing. *ret_done: the socket need not be listened to any
 * more, as it is known what is spoken there, or so much of it said nothing that none will.
 * -ENOSPC, -ENOMEM.
 */
int talks_add(struct talks *t, uint64_t inode, const struct protocol_verdict *v, uint64_t now_ns,
	      bool *ret_done);
/* NULL when nothing is known; valid until the next change. */
const struct protocol_verdict *talks_find(const struct talks *t, uint64_t inode);
/* A whole descriptor table, read since now_ns: sockets that are not in it are forgotten. */
void talks_keep(struct talks *t, const struct fd_fact *fact, size_t n, uint64_t now_ns);

/* Connected sockets that may yet tell what is spoken there; inside: TLS does, too. */
size_t talks_count_unknown(const struct talks *t, const struct fd_fact *fact, size_t n,
			   bool inside);

/*
 * Sockets of one table, in any order, of which nothing is known: they speak what nearly all do
 * that are known of the same server, or that came to the same listening socket. Those that came to
 * one are told to be a server's. Facts whose talk is known keep it. -ENOMEM: nothing changed.
 */
int talks_compare(struct fd_fact *const *fact, size_t n);
