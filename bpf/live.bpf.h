/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The live set's common case, inlined where allocator probes hit: a block's bucket has room for it,
 * and it is found there. All else is one call away in live.bpf.c, by values, not by pointers.
 */
#ifndef MEMTRACE_LIVE_BPF_H
#define MEMTRACE_LIVE_BPF_H

#include "compat.bpf.h"

/* This CPU's page of a site. */
static __always_inline struct mt_site *site_at(__u32 site)
{
	__u64 *base = bpf_map_lookup_elem(&shard_of, &site);
	__u32 page = site;

	if (base && *base)
		page = *base + (bpf_get_smp_processor_id() & cfg.shard_mask);
	return bpf_map_lookup_elem(&sites, &page);
}

/* n / 10 by multiplication: BPF has no other way than to divide. */
static __always_inline __u32 fine_epoch(__u32 ds)
{
	_Static_assert(MT_FINE_SECS == 1, "tenths of a second to seconds");
	return (__u64)ds * 0xcccccccdull >> 35;
}

/*
 * Adds to the slot of an epoch; a slot of an older epoch begins anew, and what it held is
 * returned, as that epoch << 32 | count from MT_RING_ZERO. A death may come before its birth, and
 * on another page of the site. What is more than a slot holds is left out: it would become another
 * epoch.
 */
static __always_inline __u64 ring_add(__u64 *slot, __u32 epoch, __u64 n)
{
	__u64 v = *(volatile __u64 *)slot;

	if (!v || v >> 32 < epoch) {
		if (__sync_val_compare_and_swap(slot, v, (__u64)epoch << 32 | (MT_RING_ZERO + n)) ==
		    v)
			return v;
		v = *(volatile __u64 *)slot;
	}
	if (v >> 32 == epoch && (__u32)v + n - (MT_RING_ZERO - MT_RING_MOST) <= 2ull * MT_RING_MOST)
		__sync_fetch_and_add(slot, n);
	return 0;
}

static __always_inline void coarse_add(struct mt_site *s, __u32 fine, __u64 n)
{
	__u32 coarse = fine * MT_FINE_SECS / MT_COARSE_SECS;

	ring_add(&s->coarse[coarse % MT_COARSE_SLOTS], coarse, n);
}

/* Blocks are counted in one ring: the coarse one takes over what a slot of the fine one held. */
static __always_inline void fine_add(struct mt_site *s, __u32 fine, __u64 n)
{
	__u64 was = ring_add(&s->fine[fine % MT_FINE_SLOTS], fine, n);

	if (was)
		coarse_add(s, was >> 32, (__u64)(__u32)was - MT_RING_ZERO);
}

/* whose: as a block has it. */
static __always_inline int site_born(__u32 whose, __u64 held, __u32 born_ds)
{
	__u64 size = mt_held_size(held), weight = mt_held_weight(held);
	struct mt_site *s = site_at(mt_block_site(whose));

	if (!s)
		return 0;
	if (mt_block_conn(whose))
		mt_conn_born(mt_block_conn(whose), held);
	__sync_fetch_and_add(&s->alloc_bytes, size * weight);
	__sync_fetch_and_add(&s->alloc_count, weight);
	if (weight > 1) {
		__sync_fetch_and_add(&s->born_records, weight - 1);
		__sync_fetch_and_add(&s->born_var, mt_held_var(held));
	}
	fine_add(s, fine_epoch(born_ds), weight);
	return 0;
}

static __always_inline __u64 age_bucket(__u32 secs)
{
	for (int i = 0; i < MT_AGE_BUCKETS - 1; i++)
		if (secs < (1u << i))
			return i;
	return MT_AGE_BUCKETS - 1;
}

/* Takes a block out of the rings, unless it is older than they reach. */
static __always_inline void site_unring(struct mt_site *s, __u64 weight, __u32 born_ds,
					__u32 now_ds)
{
	__u32 fine = fine_epoch(born_ds), now = fine_epoch(now_ds);

	if (now - fine < MT_FINE_SLOTS - 1)
		fine_add(s, fine, -weight);
	else if (now / MT_COARSE_SECS - fine / MT_COARSE_SECS < MT_COARSE_SLOTS - 1)
		coarse_add(s, fine, -weight);
}

static __always_inline int site_died(__u32 whose, __u64 held, __u32 born_ds)
{
	__u64 size = mt_held_size(held), weight = mt_held_weight(held), b;
	struct mt_site *s = site_at(mt_block_site(whose));
	__u32 now = now_ds();

	if (!s)
		return 0;
	if (mt_block_conn(whose))
		mt_conn_died(mt_block_conn(whose), held);
	__sync_fetch_and_add(&s->free_bytes, size * weight);
	if (weight > 1) {
		__sync_fetch_and_add(&s->died_records, weight - 1);
		__sync_fetch_and_add(&s->died_var, mt_held_var(held));
	}
	b = now > born_ds ? age_bucket(fine_epoch(now - born_ds)) : 0;
	barrier_var(b);
	b &= 15; /* never above MT_AGE_BUCKETS - 1: said again for the verifier */
	if (b < MT_AGE_BUCKETS)
		__sync_fetch_and_add(&s->freed_by_age[b], weight);
	site_unring(s, weight, born_ds, now);
	return 0;
}

/* A block that is found under a key where none should be is accounted: its free was missed. */
int mt_block_replace(__u64 key);
/* Of a block whose bucket is full; whence: whence_of(). */
int mt_spill_put(__u64 key, __u64 held, __u64 whence);
/* 1: there was one. */
int mt_spilled_died(__u64 addr, __u32 asid);
/* Tells user space which piece of address space an allocator serves from. */
int mt_region_send(__u64 key);

/* What is kept of a piece of address space that was told. */
static __always_inline __u64 region_word(__u64 key)
{
	return (key & MT_ADDR_MASK) >> MT_REGION_SHIFT << 16 | key >> 48;
}

/* Forked processes have their heaps at the same addresses, and slots of their own all the same. */
static __always_inline __u32 region_slot(__u64 key)
{
	return ((key >> MT_REGION_SHIFT) ^ (key >> 48) * 0x9e3779b1u) & (MT_REGION_SLOTS - 1);
}

/* Once per piece. */
static __always_inline void region_note(__u64 key)
{
	__u32 slot = region_slot(key);
	__u64 *seen = bpf_map_lookup_elem(&regions, &slot);

	if (seen && *seen != region_word(key))
		mt_region_send(key);
}

#ifdef MT_FAKE_BUCKETS /* the test with threads has maps of its own */
struct mt_bucket *bucket_at(__u32 n);
#else
static __always_inline struct mt_bucket *bucket_at(__u32 n)
{
	return bpf_map_lookup_elem(&live_front, &n);
}
#endif

/* A block's site and birth as one word: in one register, not on the stack. */
static __always_inline __u64 whence_of(__u32 site, __u32 born_ds)
{
	__u64 whence = site | (__u64)born_ds << 32;

	barrier_var(whence);
	return whence;
}

/* The slot that holds a key; 0: none. One cache line is read. */
static __always_inline __u32 slot_find(const struct mt_bucket *b, __u64 key)
{
	for (__u32 i = 1; i < MT_BUCKET_SLOTS; i++)
		if (*(volatile __u64 *)&b->key[i] == key)
			return i;
	return 0;
}

/* Takes a block out of its slot. Of two frees of one block only one gets it. */
static __always_inline int slot_take(struct mt_bucket *b, __u32 i, __u64 key, __u64 *held,
				     __u64 *whence)
{
	i &= MT_BUCKET_SLOTS - 1;
	if (__sync_val_compare_and_swap(&b->key[i], key, MT_KEY_CLAIMED) != key)
		return 0;
	*held = b->block[i].held;
	*whence = whence_of(b->block[i].site, b->block[i].born_ds);
	store_release(&b->key[i], MT_KEY_EMPTY);
	return 1;
}

/* Into an empty slot. 0: there was none. */
static __always_inline int slot_put(struct mt_bucket *b, __u64 key, __u64 held, __u64 whence)
{
	for (__u32 i = 1; i < MT_BUCKET_SLOTS; i++) {
		if (*(volatile __u64 *)&b->key[i] != MT_KEY_EMPTY ||
		    __sync_val_compare_and_swap(&b->key[i], MT_KEY_EMPTY, MT_KEY_CLAIMED) !=
			    MT_KEY_EMPTY)
			continue;
		b->block[i].held = held;
		b->block[i].site = whence;
		b->block[i].born_ds = whence >> 32;
		store_release(&b->key[i], key);
		return 1;
	}
	return 0;
}

/* 0: it is in the live set. */
static __always_inline int live_put(__u64 key, __u64 held, __u64 whence)
{
	struct mt_bucket *b = bucket_at(mt_bucket_of(key, cfg.bucket_bits));

	if (!b)
		return -ENOENT;
	if (slot_find(b, key) || *(volatile __u64 *)&b->key[0])
		mt_block_replace(key);
	return slot_put(b, key, held, whence) ? 0 : mt_spill_put(key, held, whence);
}

/* Counts a record for the budget. */
static __always_inline void sample_count(__u32 asid)
{
	struct mt_space_cpu *c = space_cpu_of(asid);

	if (c)
		__sync_fetch_and_add(&c->samples, 1);
}

static __always_inline int block_born(__u64 key, __u64 held, __u32 site)
{
	__u64 whence;

	if (*(volatile __u32 *)&contexts_on)
		site |= mt_context(0);
	whence = whence_of(site, now_ds());

	if (live_put(key, held, whence))
		return -1;
	sample_count(key >> 48);
	site_born(whence, held, whence >> 32);
	region_note(key);
	return 0;
}

/* 1: it is taken out of the live set; 0: it is not there; -1: mt_spilled_died() knows. */
static __always_inline int block_take(__u64 key, __u64 *held, __u64 *whence)
{
	struct mt_bucket *b = bucket_at(mt_bucket_of(key, cfg.bucket_bits));
	__u32 i;

	if (!b)
		return 0;
	i = slot_find(b, key);
	if (!i)
		return *(volatile __u64 *)&b->key[0] ? -1 : 0;
	return slot_take(b, i, key, held, whence);
}

#endif
