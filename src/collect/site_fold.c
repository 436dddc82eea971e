#include "collect/site_fold.h"

#include <string.h>

#define TRIES 4 /* until two numbers that belong together are read at one moment */

static __u64 read_once(const __u64 *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

static __u64 read_died(const struct mt_site *page)
{
	__u64 sum = 0;

	for (size_t i = 0; i < MT_AGE_BUCKETS; i++)
		sum += read_once(&page->freed_by_age[i]);
	return sum;
}

/* Blocks of which so many count as more than themselves. */
static __u64 records(__u64 count, __u64 beyond)
{
	return count > beyond ? count - beyond : 0;
}

static void add_deaths(struct mt_site *to, const struct mt_site *page)
{
	__u64 beyond, count;
	int tries = 0;

	do {
		beyond = read_once(&page->died_records);
		count = read_died(page);
	} while (beyond != read_once(&page->died_records) && ++tries < TRIES);
	to->free_bytes += read_once(&page->free_bytes);
	to->died_var += read_once(&page->died_var);
	to->died_records += records(count, beyond);
	for (size_t i = 0; i < MT_AGE_BUCKETS; i++)
		to->freed_by_age[i] += read_once(&page->freed_by_age[i]);
}

static void add_births(struct mt_site *to, const struct mt_site *page)
{
	__u64 beyond, count;
	int tries = 0;

	do {
		beyond = read_once(&page->born_records);
		count = read_once(&page->alloc_count);
	} while (beyond != read_once(&page->born_records) && ++tries < TRIES);
	to->alloc_bytes += read_once(&page->alloc_bytes);
	to->born_var += read_once(&page->born_var);
	to->born_records += records(count, beyond);
	to->alloc_count += count;
}

/* Adds what a slot of some page holds, if no slot here is of a newer epoch. */
static void slot_add(__s64 *count, __u64 *epoch, __u64 of, __s64 n)
{
	if (of < *epoch)
		return;
	if (of > *epoch)
		*count = 0;
	*epoch = of;
	*count += n;
}

/*
 * A page may hold the deaths of another's births. What is in the fine ring is not in the coarse
 * one, where the readers of struct mt_site want it as well.
 */
static void sum_rings(const struct mt_site *const page[], size_t n, struct mt_site *to)
{
	__u64 fine_epoch[MT_FINE_SLOTS] = { 0 }, coarse_epoch[MT_COARSE_SLOTS] = { 0 };
	__s64 fine[MT_FINE_SLOTS] = { 0 }, coarse[MT_COARSE_SLOTS] = { 0 };

	for (size_t p = 0; p < n; p++) {
		for (size_t i = 0; i < MT_COARSE_SLOTS; i++) {
			__u64 v = read_once(&page[p]->coarse[i]);

			if (v)
				slot_add(&coarse[i], &coarse_epoch[i], v >> 32,
					 (__s64)(__u32)v - MT_RING_ZERO);
		}
		for (size_t i = 0; i < MT_FINE_SLOTS; i++) {
			__u64 v = read_once(&page[p]->fine[i]), e = v >> 32;
			__u64 up = e * MT_FINE_SECS / MT_COARSE_SECS, k = up % MT_COARSE_SLOTS;

			if (!v)
				continue;
			slot_add(&fine[i], &fine_epoch[i], e, (__s64)(__u32)v - MT_RING_ZERO);
			slot_add(&coarse[k], &coarse_epoch[k], up, (__s64)(__u32)v - MT_RING_ZERO);
		}
	}
	for (size_t i = 0; i < MT_FINE_SLOTS; i++)
		to->fine[i] = fine_epoch[i] << 32 | (fine[i] > 0 ? (__u32)fine[i] : 0);
	for (size_t i = 0; i < MT_COARSE_SLOTS; i++)
		to->coarse[i] = coarse_epoch[i] << 32 | (coarse[i] > 0 ? (__u32)coarse[i] : 0);
}

void site_fold(const struct mt_site *const page[], size_t n, struct mt_site *ret)
{
	struct mt_site sum = { 0 };

	/* frees first: a block born and freed in between then never makes them the larger number */
	for (size_t i = 0; i < n; i++)
		add_deaths(&sum, page[i]);
	for (size_t i = 0; i < MT_AGE_BUCKETS; i++)
		sum.free_count += sum.freed_by_age[i];
	for (size_t i = 0; i < n; i++)
		add_births(&sum, page[i]);
	sum_rings(page, n, &sum);
	memcpy(ret, &sum, sizeof(sum));
}
