/* What the kernel side counted: call sites, counters, the live set. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/collector_impl.h"

#define PURGE_BATCH 4096

const struct mt_site *collector_sites(const struct collector *c, size_t *ret_count)
{
	uint32_t used = __atomic_load_n(&c->skel->data->next_site, __ATOMIC_RELAXED);

	*ret_count = used < c->sites_max ? used : c->sites_max;
	return c->sites;
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
