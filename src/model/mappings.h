/*
 * What is mapped in one address space and who asked for it: anonymous mappings and the break as
 * intervals of addresses. Bytes and counts go to the site of each mapping as it comes and goes.
 * Calls that give something up are applied when they begin and taken back when they fail, because
 * another thread may be given the same addresses before the end of the call is reported.
 * All lengths are rounded up to pages; addresses and lengths are the target's: nothing is believed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/sites.h"

#define MAPPED_IN_ALLOCATOR 1u /* an allocator asked for it: it is no site's */
#define MAPPED_BEFORE 2u       /* it was there when tracing began */
#define MAPPED_BREAK 4u

struct mappings; /* opaque */

struct mappings_cfg {
	size_t limit;	     /* most intervals */
	uint64_t page_bytes; /* a power of two */
};

/* One interval, by value. */
struct mapping {
	uint64_t start, end;
	uint64_t born_ns;
	struct site *site; /* borrowed; NULL: nobody's */
	unsigned int flags;
};

int mappings_new(const struct mappings_cfg *cfg, struct mappings **ret);
void mappings_free(struct mappings *m);

size_t mappings_count(const struct mappings *m);
uint64_t mappings_refused(const struct mappings *m); /* intervals beyond the limit */
/* The first interval that ends after addr; false when there is none. */
bool mappings_next(const struct mappings *m, uint64_t addr, struct mapping *ret);

/* mmap succeeded: replaces whatever was there. anonymous false: a file, which only replaces. */
int mappings_map(struct mappings *m, uint64_t start, uint64_t len, bool anonymous,
		 struct site *site, unsigned int flags, uint64_t now_ns);

/* munmap begins; it is done unless mappings_undo() of the same thread says that it failed. */
int mappings_unmap(struct mappings *m, uint32_t tid, uint64_t start, uint64_t len, uint64_t now_ns);
void mappings_undo(struct mappings *m, uint32_t tid);

struct remap {
	uint64_t old_start, old_len, new_start, new_len;
	bool keep_old;	   /* MREMAP_DONTUNMAP */
	struct site *site; /* whose a copy becomes */
	unsigned int flags;
};

/* mremap begins: only its time is noted. */
int mappings_remap_begin(struct mappings *m, uint32_t tid, uint64_t now_ns);
/* mremap succeeded. What moved keeps its site and its age. */
int mappings_remap(struct mappings *m, uint32_t tid, const struct remap *r, uint64_t now_ns);

/* brk returned: the break is there now, whether it moved or not. */
int mappings_break(struct mappings *m, uint64_t new_break, struct site *site, unsigned int flags,
		   uint64_t now_ns);
/* Where the break is as /proc says; used when no brk was seen after now_ns. */
void mappings_set_break(struct mappings *m, uint64_t end, uint64_t now_ns);

/* Enters what was there when tracing began, where nothing else is known. */
int mappings_add_before(struct mappings *m, uint64_t start, uint64_t end, uint64_t now_ns);
/* [start, end) holds no anonymous memory as of now_ns: drops what is older. */
void mappings_drop(struct mappings *m, uint64_t start, uint64_t end, uint64_t now_ns);

/* All that a site mapped was an allocator's: it is no site's. Nothing is counted as freed. */
void mappings_give_up(struct mappings *m, const struct site *site);

/* Settles calls that began long before now_ns: that they failed would be known by now. */
void mappings_settle(struct mappings *m, uint64_t now_ns);
/* Adds the live blocks of each site to its live_by_age. */
void mappings_add_ages(const struct mappings *m, uint64_t now_ns);
