/*
 * How much of given address ranges of a process is in memory, and how much in swap. Pages of the
 * zero page do not count, as in RSS; guard pages do not count as swapped. Pages of hugetlb
 * mappings do count: RSS leaves them out, so the caller leaves out their ranges.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/fact.h"

struct present;

enum residency_source {
	RESIDENCY_SCAN = 1, /* PAGEMAP_SCAN: 3 to 10 ms per resident GB, nothing for empty space */
	RESIDENCY_PAGEMAP,  /* every page's entry: twice that, and 1 ms per empty GB */
};

struct residency_cfg {
	const char *root; /* where proc is mounted */
	bool no_scan;	  /* read the entries even where PAGEMAP_SCAN is there */
	bool whole;	  /* the ranges are all that the process maps: fewer calls will do */
	/*
	 * Address space to cover at most in one call when entries are read, 0: 64 GiB. A runtime
	 * reserves terabytes that are empty, and an entry costs its time all the same.
	 */
	uint64_t max_read_bytes;
	struct present *present; /* every run of pages is added here too; may be NULL */
};

struct residency_info {
	enum residency_source source;
	bool zero_pages_told; /* the zero page could be told from others */
	uint64_t unknown;     /* ranges left FACT_UNKNOWN */
};

/*
 * Fills resident_bytes and swapped_bytes of each range; both are FACT_UNKNOWN where the kernel did
 * not answer. Ranges are sorted and do not overlap, -EINVAL otherwise. -ESRCH when the process has
 * gone, -EACCES when it may not be looked at: the ranges' outputs are undefined then.
 */
int residency_read(const struct residency_cfg *cfg, uint32_t pid, struct residency *ranges,
		   size_t count, struct residency_info *ret);
