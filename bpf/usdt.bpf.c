/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Samples that a program announces itself, by the contract otel_memory:
 *   alloc(void *ptr, uint64 size, uint64 weighted_bytes)   free(void *ptr)
 * whoever emits it: memtrace's preload library or an allocator of another make. How an argument is
 * read says the probe's spec, which user space took from the file. What is announced is foreign: a
 * sample that cannot be true is counted and refused. A block's weight is weighted_bytes / size,
 * rounded up or down at random so that its mean is right.
 */
#include "core.bpf.h"
#include "compat.bpf.h"

#define SIZE_BITS_MAX 47 /* of user addresses */
#define WEIGHT_MOST (1ull << 32)

struct mt_usdt_specs_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MT_USDT_SPECS);
	__type(key, __u32);
	__type(value, struct mt_usdt_spec);
} usdt_specs SEC(".maps");

/* Narrower arguments are extended to 64 bits by their type. */
static __always_inline __u64 extended(const struct mt_usdt_arg *a, __u64 v)
{
	__u32 unused = 64 - 8 * (a->bytes & 15);

	if (a->bytes == 0 || a->bytes > 8)
		return v;
	return a->is_signed ? (__u64)((__s64)(v << unused) >> unused) : v << unused >> unused;
}

/* The word at an address; only the bytes of the argument need to be there. */
static __noinline __u64 usdt_load(__u64 addr, __u32 bytes)
{
	__u64 v = 0;
	long r;

	switch (bytes) {
	case 1: r = bpf_probe_read_user(&v, 1, (const void *)addr); break;
	case 2: r = bpf_probe_read_user(&v, 2, (const void *)addr); break;
	case 4: r = bpf_probe_read_user(&v, 4, (const void *)addr); break;
	default: r = bpf_probe_read_user(&v, 8, (const void *)addr);
	}
	if (r)
		count(MT_CNT_read_failed);
	return r ? 0 : v;
}

/* An argument of a probe; 0 also when it cannot be read, which is counted. */
static __noinline __u64 usdt_arg(struct pt_regs *regs, __u32 number, __u32 which)
{
	struct mt_usdt_spec *spec = bpf_map_lookup_elem(&usdt_specs, &number);
	const struct mt_usdt_arg *a;
	__u64 v;

	if (!spec || which >= MT_USDT_ARGS)
		return 0;
	a = &spec->arg[which];
	if (a->from == MT_USDT_CONSTANT)
		return extended(a, a->value);
	v = place_register(regs, a->reg);
	if (a->from == MT_USDT_MEMORY) {
		if (a->index != MT_USDT_NO_INDEX)
			v += place_register(regs, a->index) << (a->scale_log2 & 3);
		v = usdt_load(v + a->value, a->bytes);
	}
	return extended(a, v);
}

/* How many blocks one stands for; 0: what was said is absurd. */
static __noinline __u64 usdt_weight(__u64 size, __u64 weighted)
{
	__u64 weight, rest;

	if (weighted < size || size >> SIZE_BITS_MAX)
		return 0;
	if (!size)
		return weighted == 0;
	weight = weighted / size;
	rest = weighted % size;
	if (weight > WEIGHT_MOST)
		return 0;
	/* of blocks of 4 GiB and more a part of one is none */
	if (size >> 32 == 0 && ((__u64)bpf_get_prandom_u32() * size) >> 32 < rest)
		weight++;
	return weight;
}

static __always_inline struct mt_space *usdt_hit(__u32 asid, bool sample)
{
	struct mt_space *space = space_of(asid);
	struct mt_space_cpu *c = space ? space_cpu_of(asid) : NULL;

	if (!c)
		return NULL;
	__sync_fetch_and_add(&c->hits, 1);
	if (sample)
		__sync_fetch_and_add(&c->samples, 1);
	return space;
}

static __noinline int usdt_born(struct pt_regs *regs, __u64 addr, __u64 held, __u32 asid)
{
	__u32 site = mt_site_of(PT_REGS_IP(regs), PT_REGS_SP(regs), PT_REGS_FP(regs), asid,
				MT_SITE_HEAP);

	mt_block_born(addr, held, site, asid);
	if (cfg.send_events)
		mt_alloc_send(addr, mt_held_size(held), 0, asid, MT_FN_ALLOC | site << 4);
	return 0;
}

SEC("?uprobe")
int mt_usdt_alloc(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), addr, size, weight;
	__u32 spec = MT_COOKIE_USDT_SPEC(cookie), asid = asid_of(cookie);
	struct mt_space *space = usdt_hit(asid, true);

	if (!space)
		return 0;
	if (cookie & MT_COOKIE_USDT_REFUSED) {
		count(MT_CNT_usdt_refused);
		return 0;
	}
	addr = usdt_arg(ctx, spec, 0);
	size = usdt_arg(ctx, spec, 1);
	weight = usdt_weight(size, usdt_arg(ctx, spec, 2));
	if (!addr || addr >= USER_TOP || !weight) {
		count(MT_CNT_usdt_refused);
		return 0;
	}
	weight <<= space->weight_log2 & 31;
	if (weight > MT_HELD_WEIGHT_MAX)
		count(MT_CNT_weights_cut);
	return usdt_born(ctx, addr, mt_held(size, weight), asid);
}

SEC("?uprobe")
int mt_usdt_free(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), addr;
	__u32 asid = asid_of(cookie);

	if (!usdt_hit(asid, false))
		return 0;
	addr = usdt_arg(ctx, MT_COOKIE_USDT_SPEC(cookie), 0);
	if (addr && !mt_block_died(addr, asid))
		count(MT_CNT_frees_unknown);
	return 0;
}
