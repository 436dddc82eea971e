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

/* Of the newest epoch that any page has in this slot; a page may hold the deaths of another's
 * births. */
static __u64 slot_sum(const struct mt_site *const page[], size_t n, size_t offset)
{
	__u64 epoch = 0;
	__s64 sum = 0;

	for (size_t i = 0; i < n; i++) {
		__u64 v = read_once((const __u64 *)((const char *)page[i] + offset));

		if (!v || v >> 32 < epoch)
			continue;
		if (v >> 32 > epoch)
			sum = 0;
		epoch = v >> 32;
		sum += (__s64)(__u32)v - MT_RING_ZERO;
	}
	return epoch << 32 | (sum > 0 ? (__u64)sum & 0xffffffffu : 0);
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
	for (size_t i = 0; i < MT_FINE_SLOTS; i++)
		sum.fine[i] = slot_sum(page, n, offsetof(struct mt_site, fine) + i * 8);
	for (size_t i = 0; i < MT_COARSE_SLOTS; i++)
		sum.coarse[i] = slot_sum(page, n, offsetof(struct mt_site, coarse) + i * 8);
	memcpy(ret, &sum, sizeof(sum));
}
