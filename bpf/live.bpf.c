/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The live set and what its blocks add to their call sites. Births and deaths come from the
 * allocator probes and from whoever else sees blocks. What a block weighs is kept with it, so that
 * its death takes away what its birth added.
 */
#include "core.bpf.h"

static __always_inline struct mt_site *site_at(__u32 site)
{
	return bpf_map_lookup_elem(&sites, &site);
}

static __always_inline void ring_birth(__u64 *slot, __u64 epoch, __u64 weight)
{
	__u64 v = *(volatile __u64 *)slot;

	if (v >> 32 != epoch) {
		if (__sync_val_compare_and_swap(slot, v, epoch << 32 | weight) == v)
			return;
		if (*(volatile __u64 *)slot >> 32 != epoch)
			return;
	}
	__sync_fetch_and_add(slot, weight);
}

/* Only called while the block is younger than the ring, so that the slot is still its own. */
static __always_inline void ring_death(__u64 *slot, __u64 epoch, __u64 weight)
{
	__u64 v = *(volatile __u64 *)slot;

	if (v >> 32 == epoch && (__u32)v)
		__sync_fetch_and_add(slot, -weight);
}

int mt_site_born(__u32 site, __u64 held, __u32 born_ds)
{
	__u64 size = mt_held_size(held), weight = mt_held_weight(held);
	struct mt_site *s = site_at(site);
	__u32 fine = born_ds / (10 * MT_FINE_SECS), coarse = born_ds / (10 * MT_COARSE_SECS);

	if (!s)
		return 0;
	__sync_fetch_and_add(&s->alloc_bytes, size * weight);
	__sync_fetch_and_add(&s->alloc_count, weight);
	__sync_fetch_and_add(&s->born_records, 1);
	if (weight > 1)
		__sync_fetch_and_add(&s->born_var, mt_held_var(held));
	ring_birth(&s->fine[fine % MT_FINE_SLOTS], fine, weight);
	ring_birth(&s->coarse[coarse % MT_COARSE_SLOTS], coarse, weight);
	return 0;
}

static __noinline __u64 age_bucket(__u32 secs)
{
	for (int i = 0; i < MT_AGE_BUCKETS - 1; i++)
		if (secs < (1u << i))
			return i;
	return MT_AGE_BUCKETS - 1;
}

/* Takes a block out of the rings, unless it is older than they reach. */
static __always_inline void site_unring(struct mt_site *s, __u64 weight, __u32 born_ds, __u32 now)
{
	__u32 fine = born_ds / (10 * MT_FINE_SECS), coarse = born_ds / (10 * MT_COARSE_SECS);

	if (now / (10 * MT_FINE_SECS) - fine < MT_FINE_SLOTS - 1)
		ring_death(&s->fine[fine % MT_FINE_SLOTS], fine, weight);
	if (now / (10 * MT_COARSE_SECS) - coarse < MT_COARSE_SLOTS - 1)
		ring_death(&s->coarse[coarse % MT_COARSE_SLOTS], coarse, weight);
}

int mt_site_died(__u32 site, __u64 held, __u32 born_ds)
{
	__u64 size = mt_held_size(held), weight = mt_held_weight(held), b;
	struct mt_site *s = site_at(site);
	__u32 now = now_ds();

	if (!s)
		return 0;
	__sync_fetch_and_add(&s->free_bytes, size * weight);
	__sync_fetch_and_add(&s->free_count, weight);
	__sync_fetch_and_add(&s->died_records, 1);
	if (weight > 1)
		__sync_fetch_and_add(&s->died_var, mt_held_var(held));
	b = now > born_ds ? age_bucket((now - born_ds) / 10) : 0;
	barrier_var(b);
	b &= 15; /* never above MT_AGE_BUCKETS - 1: said again for the verifier */
	if (b < MT_AGE_BUCKETS)
		__sync_fetch_and_add(&s->freed_by_age[b], weight);
	site_unring(s, weight, born_ds, now);
	return 0;
}

/* Tells user space, once, which piece of address space an allocator serves from. */
static __noinline int region_note(__u64 addr, __u32 asid)
{
	__u64 word = (addr & MT_ADDR_MASK) >> MT_REGION_SHIFT << 16 | asid, *seen;
	__u32 slot = addr >> MT_REGION_SHIFT & (MT_REGION_SLOTS - 1);
	struct mt_ev_region *e;

	seen = bpf_map_lookup_elem(&regions, &slot);
	if (!seen || *seen == word)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count(MT_CNT_ring_full);
		return 0;
	}
	hdr_fill(&e->hdr, bpf_get_current_pid_tgid() >> 32, MT_KIND_region, sizeof(*e));
	e->addr = addr & MT_ADDR_MASK & ~((1ull << MT_REGION_SHIFT) - 1);
	e->asid = asid;
	e->reserved = 0;
	bpf_ringbuf_submit(e, wakeup_flags());
	*seen = word;
	return 0;
}

/* --events only. */
int mt_alloc_send(__u64 addr, __u64 size, __u64 old, __u32 asid, __u32 fn_site)
{
	struct mt_ev_alloc *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	__u64 id = bpf_get_current_pid_tgid();

	if (!e) {
		count(MT_CNT_ring_full_alloc);
		return 0;
	}
	hdr_fill(&e->hdr, id >> 32, (fn_site & 15) == MT_FN_FREE ? MT_KIND_free : MT_KIND_alloc,
		 sizeof(*e));
	e->addr = addr;
	e->size = size;
	e->old_addr = old;
	e->tid = id;
	e->asid = asid;
	e->site = fn_site >> 4;
	e->fn = fn_site & 15;
	bpf_ringbuf_submit(e, wakeup_flags());
	return 0;
}

/* Takes a block out of the live set into *ret. Of two frees of one block only one gets it. */
static __always_inline int block_take(__u64 key, struct mt_block *ret)
{
	struct mt_block *b = bpf_map_lookup_elem(&live, &key);
	long r;

	if (!b)
		return 0;
	*ret = *b;
	r = bpf_map_delete_elem(&live, &key);
	if (r && r != -ENOENT)
		count(MT_CNT_live_error);
	return r == 0;
}

int mt_live_take(__u64 key, struct mt_block *ret)
{
	return ret ? block_take(key, ret) : 0;
}

/* Accounts a block that is found under a key where none should be: its free was missed. */
static __noinline int block_replace(__u64 key)
{
	struct mt_block old;

	if (!block_take(key, &old))
		return 0;
	count(MT_CNT_frees_missed);
	return mt_site_died(old.site, old.held, old.born_ds);
}

int mt_live_put(__u64 key, __u64 held, __u32 site, __u32 born_ds)
{
	struct mt_block b = { .held = held, .site = site, .born_ds = born_ds };
	/* not long: before 6.4 the kernel sets the lower half of the register only */
	int r = bpf_map_update_elem(&live, &key, &b, BPF_NOEXIST);

	if (r == -EEXIST) {
		block_replace(key);
		r = bpf_map_update_elem(&live, &key, &b, BPF_ANY);
	}
	if (r == -E2BIG) {
		count_add(MT_CNT_live_full, mt_held_weight(held));
		count_add(MT_CNT_live_full_bytes, mt_held_size(held) * mt_held_weight(held));
	} else if (r) {
		count(MT_CNT_live_error);
	}
	return r;
}

int mt_block_born(__u64 addr, __u64 held, __u32 site, __u32 asid)
{
	__u32 born = now_ds();

	if (mt_live_put(block_key(addr, asid), held, site, born))
		return -1;
	mt_site_born(site, held, born);
	region_note(addr, asid);
	return 0;
}

int mt_block_died(__u64 addr, __u32 asid)
{
	struct mt_block b;

	if (!block_take(block_key(addr, asid), &b))
		return 0;
	mt_site_died(b.site, b.held, b.born_ds);
	if (cfg.send_events)
		mt_alloc_send(addr, mt_held_size(b.held), 0, asid, MT_FN_FREE | b.site << 4);
	return 1;
}
