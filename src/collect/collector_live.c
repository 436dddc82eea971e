/*
 * The live set as user space sees it: a table that is mapped here and a hash for what did not fit
 * (wire.h). Slots are claimed with the same compare and swap as in the kernel.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "collect/collector_impl.h"

#define SPILL_BATCH 4096
#define FRONT_BITS_MAX 16 /* 12 MB */

struct bucket_plan collector_plan_buckets(uint32_t live_max)
{
	const uint32_t keys = MT_BUCKET_SLOTS - 1;
	struct bucket_plan p = { 0 };

	while (p.bits < FRONT_BITS_MAX && (uint64_t)keys << (p.bits + 1) <= live_max / 2)
		p.bits++;
	p.spill = live_max > keys << p.bits ? live_max - (keys << p.bits) : 1;
	return p;
}

static uint64_t key_read(const __u64 *key)
{
	return __atomic_load_n(key, __ATOMIC_ACQUIRE);
}

/* Calls fn for each pair of the hash; its answer ends the walk. */
static int each_spilled(struct collector *c,
			int (*fn)(void *ctx, uint64_t key, const struct mt_block *b), void *ctx)
{
	auto_free uint64_t *keys = calloc(SPILL_BATCH, sizeof(*keys));
	auto_free struct mt_block *blocks = calloc(SPILL_BATCH, sizeof(*blocks));
	int map = bpf_map__fd(c->skel->maps.live), r, answer = 0;
	uint64_t at = 0;
	bool first = true;

	if (!keys || !blocks)
		return -ENOMEM;
	do {
		uint32_t n = SPILL_BATCH;

		r = bpf_map_lookup_batch(map, first ? NULL : &at, &at, keys, blocks, &n, NULL);
		if (r && r != -ENOENT)
			return r;
		for (uint32_t i = 0; !answer && i < n; i++)
			answer = fn(ctx, keys[i], &blocks[i]);
		first = false;
	} while (!r && !answer);
	return answer;
}

struct walk {
	struct collector *c;
	uint32_t asid;
	collector_block_fn fn;
	void *ctx;
};

static int tell(const struct walk *w, uint64_t key, const struct mt_block *b)
{
	const struct collector_block block = {
		.addr = key & ((1ull << 48) - 1),
		.held = b->held,
		.site = mt_block_site(b->site),
		.born_ds = b->born_ds,
	};

	return key >> 48 == w->asid ? w->fn(w->ctx, &block) : 0;
}

static int tell_spilled(void *ctx, uint64_t key, const struct mt_block *b)
{
	return tell(ctx, key, b);
}

static int each_in_buckets(const struct walk *w)
{
	for (size_t n = 0; n < w->c->bucket_count; n++) {
		const struct mt_bucket *b = &w->c->buckets[n];

		for (uint32_t i = 1; i < MT_BUCKET_SLOTS; i++) {
			uint64_t key = key_read(&b->key[i]);
			struct mt_block block;
			int r;

			if (key >> 48 != w->asid)
				continue;
			block = b->block[i];
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			if (key_read(&b->key[i]) != key)
				continue; /* ended meanwhile, and half another one's maybe */
			r = tell(w, key, &block);
			if (r)
				return r;
		}
	}
	return 0;
}

int collector_each_block(struct collector *c, uint32_t asid, collector_block_fn fn, void *ctx)
{
	struct walk w = { .c = c, .asid = asid, .fn = fn, .ctx = ctx };
	int r = collector_map_buckets(c);

	if (r)
		return r;
	r = each_in_buckets(&w);
	collector_unmap_buckets(c);
	return r ? r : each_spilled(c, tell_spilled, &w);
}

int collector_end_block(struct collector *c, uint32_t asid, uint64_t addr, uint32_t born_ds)
{
	struct mt_end_block arg = { .addr = addr, .asid = asid, .born_ds = born_ds };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &arg, .ctx_size_in = sizeof(arg));
	int r = bpf_prog_test_run_opts(bpf_program__fd(c->skel->progs.mt_end_block), &opts);

	if (r)
		return r;
	return opts.retval ? 0 : -ENOENT;
}

static int forget_spilled(void *ctx, uint64_t key, const struct mt_block *b)
{
	const struct walk *w = ctx;
	struct collector *c = w->c;

	(void)b;
	if (key >> 48 != w->asid || bpf_map__delete_elem(c->skel->maps.live, &key, sizeof(key), 0))
		return 0;
	__atomic_fetch_sub(&c->buckets[mt_bucket_of(key, c->bucket_bits)].key[0], 1,
			   __ATOMIC_RELAXED);
	return 0;
}

void collector_purge(struct collector *c, uint32_t asid)
{
	struct walk w = { .c = c, .asid = asid };
	const bool was_mapped = c->buckets;

	if (!asid || !collector_has_recorded(c, asid))
		return;
	if (collector_map_buckets(c)) {
		log_warn("out of memory: blocks of a process that is gone are kept");
		return;
	}
	for (size_t n = 0; n < c->bucket_count; n++)
		for (uint32_t i = 1; i < MT_BUCKET_SLOTS; i++) {
			__u64 *at = &c->buckets[n].key[i];
			__u64 key = key_read(at);

			if (key >> 48 == asid)
				__atomic_compare_exchange_n(at, &key, MT_KEY_EMPTY, false,
							    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
		}
	each_spilled(c, forget_spilled, &w);
	collector_drop_conns(c, asid);
	if (!was_mapped)
		collector_unmap_buckets(c);
}
