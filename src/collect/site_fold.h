/*
 * What the BPF programs counted of one call site, on one page or several, as the rest of memtrace
 * reads it. Pure.
 *
 * In the kernel a page of struct mt_site saves atomic additions: free_count is not kept, it is the
 * sum of freed_by_age; born_records and died_records are what blocks weigh beyond themselves, so
 * that blocks of weight 1 leave them alone; counts in the rings begin at MT_RING_ZERO, and a block
 * is in one ring only, the coarse one when its slot of the fine one was taken by a younger epoch.
 */
#pragma once
#include <stddef.h>

#include "memtrace/wire.h"

/* The sum of n pages, at least one, which may be written meanwhile. */
void site_fold(const struct mt_site *const page[], size_t n, struct mt_site *ret);
