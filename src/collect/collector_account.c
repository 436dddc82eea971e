/* What the kernel side counted: call sites and counters; the tables that it shares. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/collector_impl.h"

static size_t whole_pages(size_t bytes)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static int map_table(struct bpf_map *map, size_t bytes, int prot, void **ret)
{
	void *p = mmap(NULL, whole_pages(bytes), prot, MAP_SHARED, bpf_map__fd(map), 0);

	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

int collector_map_tables(struct collector *c)
{
	const int rw = PROT_READ | PROT_WRITE;
	int r;

	c->folded = calloc(c->sites_max, sizeof(*c->folded));
	if (!c->folded)
		return -ENOMEM;
	c->sites_bytes = c->sites_max * sizeof(struct mt_site);
	c->space_cpu_bytes = c->cpus * MT_SPACES * sizeof(struct mt_space_cpu);
	r = map_table(c->skel->maps.sites, c->sites_bytes, PROT_READ, (void **)&c->sites);
	if (!r)
		r = map_table(c->skel->maps.spaces, MT_SPACES * sizeof(struct mt_space), rw,
			      (void **)&c->spaces);
	if (!r)
		r = map_table(c->skel->maps.space_cpu, c->space_cpu_bytes, PROT_READ,
			      (void **)&c->space_cpu);
	c->bucket_count = (size_t)1 << c->bucket_bits;
	if (!r)
		r = map_table(c->skel->maps.live_front, c->bucket_count * sizeof(struct mt_bucket),
			      rw, (void **)&c->buckets);
	return r;
}

static void unmap_table(const void *p, size_t bytes)
{
	if (p)
		munmap((void *)p, whole_pages(bytes));
}

void collector_unmap_tables(struct collector *c)
{
	free(c->folded);
	unmap_table(c->sites, c->sites_bytes);
	unmap_table(c->spaces, MT_SPACES * sizeof(struct mt_space));
	unmap_table(c->space_cpu, c->space_cpu_bytes);
	unmap_table(c->buckets, c->bucket_count * sizeof(struct mt_bucket));
}

static size_t sites_used(const struct collector *c)
{
	uint32_t used = __atomic_load_n(&c->skel->data->next_site, __ATOMIC_RELAXED);

	return used < c->sites_max ? used : c->sites_max;
}

static uint64_t read_once(const __u64 *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

/* What is left of an epoch's blocks, which is not below nothing once all was counted. */
static void fold_ring(uint64_t *to, const __u64 *from, size_t slots)
{
	for (size_t i = 0; i < slots; i++) {
		uint64_t v = read_once(&from[i]);
		uint32_t n = v;

		to[i] = v >> 32 << 32 | (n > MT_RING_ZERO ? n - MT_RING_ZERO : 0);
	}
}

static void fold_site(struct mt_site *to, const struct mt_site *from)
{
	/* frees first: a block born and freed in between then never makes them the larger number */
	to->free_bytes = read_once(&from->free_bytes);
	to->free_count = read_once(&from->free_count);
	to->died_records = read_once(&from->died_records);
	to->died_var = read_once(&from->died_var);
	for (size_t i = 0; i < MT_AGE_BUCKETS; i++)
		to->freed_by_age[i] = read_once(&from->freed_by_age[i]);
	to->alloc_bytes = read_once(&from->alloc_bytes);
	to->alloc_count = read_once(&from->alloc_count);
	to->born_records = read_once(&from->born_records);
	to->born_var = read_once(&from->born_var);
	fold_ring((uint64_t *)to->fine, from->fine, MT_FINE_SLOTS);
	fold_ring((uint64_t *)to->coarse, from->coarse, MT_COARSE_SLOTS);
}

const struct mt_site *collector_sites(const struct collector *c, size_t *ret_count)
{
	*ret_count = sites_used(c);
	for (size_t i = 0; i < *ret_count; i++)
		fold_site(&c->folded[i], &c->sites[i]);
	return c->folded;
}

/* What is not counted by itself because it can be summed up. */
static void sum_up(const struct collector *c, uint64_t sum[MT_CNT_MAX])
{
	uint64_t died = 0;
	size_t n = sites_used(c);

	for (size_t i = 0; i < n; i++) {
		died += read_once(&c->sites[i].free_count);
		sum[MT_CNT_allocs] += read_once(&c->sites[i].alloc_count);
	}
	sum[MT_CNT_frees] += died > sum[MT_CNT_frees_missed] ? died - sum[MT_CNT_frees_missed] : 0;
	sum[MT_CNT_hits] += collector_all_hits(c);
}

int collector_counters(const struct collector *c, uint64_t ret[MT_CNT_MAX])
{
	auto_free uint64_t *v = calloc(c->cpus, sizeof(*v));
	uint64_t sum[MT_CNT_MAX] = { 0 };

	if (!v)
		return -ENOMEM;
	for (uint32_t i = 0; i < MT_CNT_MAX; i++) {
		if (bpf_map__lookup_elem(c->skel->maps.counters, &i, sizeof(i), v,
					 c->cpus * sizeof(*v), 0))
			return -errno;
		for (int cpu = 0; cpu < c->cpus; cpu++)
			sum[i] += v[cpu];
	}
	sum_up(c, sum);
	memcpy(ret, sum, sizeof(sum));
	return 0;
}
