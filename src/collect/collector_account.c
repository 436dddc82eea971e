/* What the kernel side counted: call sites, counters, the live set. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/collector_impl.h"

#define PURGE_BATCH 4096

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

	c->sites_bytes = c->sites_max * sizeof(struct mt_site);
	c->space_cpu_bytes = c->cpus * MT_SPACES * sizeof(struct mt_space_cpu);
	r = map_table(c->skel->maps.sites, c->sites_bytes, PROT_READ, (void **)&c->sites);
	if (!r)
		r = map_table(c->skel->maps.spaces, MT_SPACES * sizeof(struct mt_space), rw,
			      (void **)&c->spaces);
	if (!r)
		r = map_table(c->skel->maps.space_cpu, c->space_cpu_bytes, PROT_READ,
			      (void **)&c->space_cpu);
	return r;
}

static void unmap_table(const void *p, size_t bytes)
{
	if (p)
		munmap((void *)p, whole_pages(bytes));
}

void collector_unmap_tables(struct collector *c)
{
	unmap_table(c->sites, c->sites_bytes);
	unmap_table(c->spaces, MT_SPACES * sizeof(struct mt_space));
	unmap_table(c->space_cpu, c->space_cpu_bytes);
}

const struct mt_site *collector_sites(const struct collector *c, size_t *ret_count)
{
	uint32_t used = __atomic_load_n(&c->skel->data->next_site, __ATOMIC_RELAXED);

	*ret_count = used < c->sites_max ? used : c->sites_max;
	return c->sites;
}

/* What is not counted by itself because it can be summed up. */
static void sum_up(const struct collector *c, uint64_t sum[MT_CNT_MAX])
{
	uint64_t died = 0;
	size_t n;
	const struct mt_site *s = collector_sites(c, &n);

	for (size_t i = 0; i < n; i++) {
		died += __atomic_load_n(&s[i].free_count, __ATOMIC_RELAXED);
		sum[MT_CNT_allocs] += __atomic_load_n(&s[i].alloc_count, __ATOMIC_RELAXED);
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

static void purge_batch(struct collector *c, const uint64_t *keys, uint32_t n, uint32_t asid)
{
	for (uint32_t i = 0; i < n; i++)
		if (keys[i] >> 48 == asid)
			bpf_map__delete_elem(c->skel->maps.live, &keys[i], sizeof(keys[i]), 0);
}

void collector_purge(struct collector *c, uint32_t asid)
{
	auto_free uint64_t *keys = calloc(PURGE_BATCH, sizeof(*keys));
	auto_free uint8_t *values = calloc(PURGE_BATCH, 16);
	int map = bpf_map__fd(c->skel->maps.live), r;
	uint64_t at = 0;
	bool first = true;

	if (!keys || !values)
		return;
	do {
		uint32_t n = PURGE_BATCH;

		r = bpf_map_lookup_batch(map, first ? NULL : &at, &at, keys, values, &n, NULL);
		if (r && r != -ENOENT)
			return;
		purge_batch(c, keys, n, asid);
		first = false;
	} while (r == 0);
}
