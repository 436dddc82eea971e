/* What the kernel side counted: call sites and counters; the tables that it shares. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/collector_impl.h"
#include "collect/site_fold.h"

/* Births and deaths of a site from which on several CPUs would wait for each other: one in 100 us,
 * while a cache line takes 0.1 us to travel. */
#define BUSY_PER_S 10000

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

	c->table = calloc(1, sizeof(*c->table) + c->sites_max * sizeof(c->table->folded[0]));
	if (!c->table)
		return -ENOMEM;
	c->table->shards = c->skel->rodata->cfg.shard_mask + 1;
	c->sites_bytes = (c->sites_max + MT_SHARD_PAGES) * sizeof(struct mt_site);
	c->space_cpu_bytes = c->cpus * MT_SPACES * sizeof(struct mt_space_cpu);
	r = map_table(c->skel->maps.sites, c->sites_bytes, PROT_READ, (void **)&c->sites);
	if (!r)
		r = map_table(c->skel->maps.spaces, MT_SPACES * sizeof(struct mt_space), rw,
			      (void **)&c->spaces);
	if (!r)
		r = map_table(c->skel->maps.space_cpu, c->space_cpu_bytes, PROT_READ,
			      (void **)&c->space_cpu);
	if (!r)
		r = map_table(c->skel->maps.shard_of, c->sites_max * sizeof(uint64_t), rw,
			      (void **)&c->table->shard_of);
	c->bucket_count = (size_t)1 << c->bucket_bits;
	return r;
}

int collector_map_buckets(struct collector *c)
{
	if (c->buckets)
		return 0;
	return map_table(c->skel->maps.live_front, c->bucket_count * sizeof(struct mt_bucket),
			 PROT_READ | PROT_WRITE, (void **)&c->buckets);
}

static void unmap_table(const void *p, size_t bytes)
{
	if (p)
		munmap((void *)p, whole_pages(bytes));
}

void collector_unmap_buckets(struct collector *c)
{
	unmap_table(c->buckets, c->bucket_count * sizeof(struct mt_bucket));
	c->buckets = NULL;
}

void collector_unmap_tables(struct collector *c)
{
	if (c->table)
		unmap_table(c->table->shard_of, c->sites_max * sizeof(uint64_t));
	free(c->table);
	unmap_table(c->sites, c->sites_bytes);
	unmap_table(c->spaces, MT_SPACES * sizeof(struct mt_space));
	unmap_table(c->space_cpu, c->space_cpu_bytes);
	collector_unmap_buckets(c);
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

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* A page for each of a few CPUs, for as long as the run lasts; as long as there are any left. */
static void shard(struct collector_sites *s, size_t site, size_t sites_max)
{
	if (s->shards_used + s->shards > MT_SHARD_PAGES)
		return;
	__atomic_store_n(&s->shard_of[site], sites_max + s->shards_used, __ATOMIC_RELAXED);
	s->shards_used += s->shards;
}

static void fold(const struct collector *c, size_t site)
{
	const struct mt_site *page[1 + MT_SHARDS_MAX] = { &c->sites[site] };
	uint64_t base = c->table->shard_of[site];
	size_t n = 1;

	while (base && n < 1 + c->table->shards) {
		page[n] = &c->sites[base + n - 1];
		n++;
	}
	site_fold(page, n, &c->table->folded[site]);
}

const struct mt_site *collector_sites(const struct collector *c, size_t *ret_count)
{
	struct collector_sites *t = c->table;
	uint64_t now = now_ns();
	double busy = BUSY_PER_S * (now - t->folded_ns) / 1e9;

	*ret_count = sites_used(c);
	for (size_t i = 0; i < *ret_count; i++) {
		const struct mt_site *s = &t->folded[i];
		uint64_t before = s->born_records + s->died_records;

		fold(c, i);
		if (!t->shard_of[i] && t->shards > 1 && t->folded_ns &&
		    s->born_records + s->died_records - before > busy)
			shard(t, i, c->sites_max);
	}
	t->folded_ns = now;
	return t->folded;
}

/* What is not counted by itself because it can be summed up: births and deaths of some pages. */
static void add_pages(const struct mt_site *page, size_t n, uint64_t *born, uint64_t *died)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < MT_AGE_BUCKETS; k++)
			*died += read_once(&page[i].freed_by_age[k]);
		*born += read_once(&page[i].alloc_count);
	}
}

static void sum_up(const struct collector *c, uint64_t sum[MT_CNT_MAX])
{
	uint64_t born = 0, died = 0, unseen;

	add_pages(c->sites, sites_used(c), &born, &died);
	add_pages(c->sites + c->sites_max, c->table->shards_used, &born, &died);
	sum[MT_CNT_allocs] += born;
	unseen = sum[MT_CNT_frees_missed] + sum[MT_CNT_frees_unseen];
	sum[MT_CNT_frees] += died > unseen ? died - unseen : 0;
	sum[MT_CNT_hits] += collector_all_hits(c);
}

static int sum_cpus(const struct collector *c, uint32_t id, uint64_t *v, uint64_t *ret)
{
	uint64_t sum = 0;

	if (bpf_map__lookup_elem(c->skel->maps.counters, &id, sizeof(id), v, c->cpus * sizeof(*v),
				 0))
		return -errno;
	for (int cpu = 0; cpu < c->cpus; cpu++)
		sum += v[cpu];
	*ret = sum;
	return 0;
}

int collector_counter(const struct collector *c, uint32_t id, uint64_t *ret)
{
	auto_free uint64_t *v = calloc(c->cpus, sizeof(*v));

	return v ? sum_cpus(c, id, v, ret) : -ENOMEM;
}

int collector_counters(const struct collector *c, uint64_t ret[MT_CNT_MAX])
{
	auto_free uint64_t *v = calloc(c->cpus, sizeof(*v));
	uint64_t sum[MT_CNT_MAX] = { 0 };
	int r = v ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < MT_CNT_MAX && !r; i++)
		r = sum_cpus(c, i, v, &sum[i]);
	if (r)
		return r;
	sum_up(c, sum);
	memcpy(ret, sum, sizeof(sum));
	return 0;
}
