/*
 * What was found out already: names, each kept once and at the same address until the cache is
 * freed, and which of them an address of a file has, "none" included. Both are bounded.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symcache; /* opaque */

/* Limits: bytes of names, and answers (which are all forgotten when they become more). */
int symcache_new(size_t name_bytes, size_t answers, struct symcache **ret);
void symcache_free(struct symcache *c);
void symcache_freep(struct symcache **c);

/* The kept copy of name, valid until symcache_free(). -ENOSPC when the limit is reached, -ENOMEM.
 */
int symcache_keep(struct symcache *c, const char *name, const char **ret);
size_t symcache_name_bytes(const struct symcache *c);

/* name: from symcache_keep(), or NULL for "nobody covers it". -ENOMEM. */
int symcache_add(struct symcache *c, uint32_t file, uint64_t vaddr, const char *name);
void symcache_forget(struct symcache *c); /* all answers; names stay */
bool symcache_find(const struct symcache *c, uint32_t file, uint64_t vaddr, const char **ret);
