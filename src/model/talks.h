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

/* Takes in a verdict; *ret is what is known now. -ENOSPC, -ENOMEM. */
int talks_add(struct talks *t, uint64_t inode, const struct protocol_verdict *v, uint64_t now_ns,
	      struct protocol_verdict *ret);
/* NULL when nothing is known; valid until the next change. */
const struct protocol_verdict *talks_find(const struct talks *t, uint64_t inode);
/* A whole descriptor table, read since now_ns: sockets that are not in it are forgotten. */
void talks_keep(struct talks *t, const struct fd_fact *fact, size_t n, uint64_t now_ns);

/* Connected sockets of which it is not known what is spoken, or what is inside TLS. */
size_t talks_count_unknown(const struct talks *t, const struct fd_fact *fact, size_t n);

/*
 * Sockets of one table, in any order, of which nothing is known: they speak what nearly all do
 * that are known of the same server, or that came to the same listening socket. Those that came to
 * one are told to be a server's. Facts whose talk is known keep it. -ENOMEM: nothing changed.
 */
int talks_compare(struct fd_fact *const *fact, size_t n);
