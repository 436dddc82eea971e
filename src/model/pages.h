/*
 * Pages of one address space that were seen to be touched for the first time, with the site of the
 * code that did it: the page-fault tier. A page counts for its site from the first look at the page
 * tables that finds it, until one that finds it gone: what a process touches and gives back again
 * does not gather. Each page stands for 2^weight_log2 like it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/fact.h"
#include "model/mappings.h"
#include "model/ranges.h"
#include "model/sites.h"

#define PAGES_HUGE_BYTES (2ull << 20)

struct pages; /* opaque */

/* limit: most pages; page_bytes: of the machine. */
int pages_new(size_t limit, uint64_t page_bytes, struct pages **ret);
void pages_free(struct pages *t);

struct page_touch {
	uint64_t addr;
	bool write; /* one page; else MT_FAULT_AROUND bytes, some of which are mapped */
	unsigned int weight_log2;
	struct site *site; /* borrowed; NULL: nobody's, and of no interest */
	uint64_t time_ns;
};

/* Beyond the limit: counted. -ENOMEM. */
int pages_add(struct pages *t, const struct page_touch *touch);

size_t pages_count(const struct pages *t);
uint64_t pages_refused(const struct pages *t);
/* At how many halvings the room that is left is spent with care: for mt_faults.least_skip_log2. */
unsigned int pages_wanted_skip(const struct pages *t);

/*
 * What is to be looked up in the page tables, sorted, for the caller to fill in; owned here until
 * the next call. -ENOMEM.
 */
int pages_asked(struct pages *t, struct residency **ret, size_t *ret_n);
/*
 * Takes over what was read, as pages_asked() gave it. `ranges` tell what lies where, as of the same
 * time. A page in a mapping whose own site has only just made it is that site's growth, not one
 * more. -EINVAL: not what was asked for.
 */
int pages_settle(struct pages *t, const struct residency *r, size_t n, const struct ranges *ranges,
		 const struct mappings *mappings, uint64_t now_ns);

/* Adds the live pages of each site to its live_by_age. */
void pages_add_ages(const struct pages *t, uint64_t now_ns);
