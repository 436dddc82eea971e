/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The live set and what its blocks add to their call sites. Births and deaths come from the
 * allocator probes and from whoever else sees blocks. What a block weighs is kept with it, so that
 * its death takes away what its birth added. What is kept of a site: collect/site_fold.h.
 */
#include "core.bpf.h"
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
 * on another page of the site.
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
	if (v >> 32 == epoch)
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

static __always_inline int site_born(__u32 site, __u64 held, __u32 born_ds)
{
	__u64 size = mt_held_size(held), weight = mt_held_weight(held);
	struct mt_site *s = site_at(site);

	if (!s)
		return 0;
	__sync_fetch_and_add(&s->alloc_bytes, size * weight);
	__sync_fetch_and_add(&s->alloc_count, weight);
	if (weight > 1) {
		__sync_fetch_and_add(&s->born_records, weight - 1);
		__sync_fetch_and_add(&s->born_var, mt_held_var(held));
	}
	fine_add(s, fine_epoch(born_ds), weight);
	return 0;
}

int mt_site_born(__u32 site, __u64 held, __u32 born_ds)
{
	return site_born(site, held, born_ds);
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

static __always_inline int site_died(__u32 site, __u64 held, __u32 born_ds)
{
	__u64 size = mt_held_size(held), weight = mt_held_weight(held), b;
	struct mt_site *s = site_at(site);
	__u32 now = now_ds();

	if (!s)
		return 0;
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

int mt_site_died(__u32 site, __u64 held, __u32 born_ds)
{
	return site_died(site, held, born_ds);
}

int mt_site_resized(__u32 site, __u64 was, __u64 held)
{
	__u64 weight = mt_held_weight(held), old = mt_held_size(was), size = mt_held_size(held);
	struct mt_site *s = site_at(site);

	if (!s)
		return 0;
	if (size > old)
		__sync_fetch_and_add(&s->alloc_bytes, (size - old) * weight);
	else
		__sync_fetch_and_add(&s->free_bytes, (old - size) * weight);
	if (weight > 1) {
		__sync_fetch_and_add(&s->born_var, mt_held_var(held));
		__sync_fetch_and_add(&s->died_var, mt_held_var(was));
	}
	return 0;
}

static __noinline int region_send(__u64 key, __u64 *seen, __u64 word)
{
	struct mt_ev_region *e;

	if (!seen)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count(MT_CNT_ring_full);
		return 0;
	}
	hdr_fill(&e->hdr, bpf_get_current_pid_tgid() >> 32, MT_KIND_region, sizeof(*e));
	e->addr = key & MT_ADDR_MASK & ~((1ull << MT_REGION_SHIFT) - 1);
	e->asid = key >> 48;
	e->reserved = 0;
	bpf_ringbuf_submit(e, wakeup_flags());
	*seen = word;
	return 0;
}

/* Tells user space, once, which piece of address space an allocator serves from. */
static __always_inline void region_note(__u64 key)
{
	__u64 word = (key & MT_ADDR_MASK) >> MT_REGION_SHIFT << 16 | key >> 48, *seen;
	__u32 slot = key >> MT_REGION_SHIFT & (MT_REGION_SLOTS - 1);

	seen = bpf_map_lookup_elem(&regions, &slot);
	if (seen && *seen != word)
		region_send(key, seen, word);
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

/* Of those whose keys found their bucket full. */
static __noinline int spill_take(struct mt_bucket *home, __u64 key, struct mt_block *ret)
{
	struct mt_block *b = bpf_map_lookup_elem(&live, &key);
	long r;

	if (!b || !home || !ret)
		return 0;
	*ret = *b;
	r = bpf_map_delete_elem(&live, &key);
	if (r && r != -ENOENT)
		count(MT_CNT_live_error);
	if (r)
		return 0;
	__sync_fetch_and_add(&home->key[0], -1);
	return 1;
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

/* Takes a block out of the live set into *ret. */
static __noinline int block_take(__u64 key, struct mt_block *ret)
{
	struct mt_bucket *b = bucket_at(mt_bucket_of(key, cfg.bucket_bits));
	__u64 whence;
	__u32 i;

	if (!b || !ret)
		return 0;
	i = slot_find(b, key);
	if (!i)
		return *(volatile __u64 *)&b->key[0] ? spill_take(b, key, ret) : 0;
	if (!slot_take(b, i, key, &ret->held, &whence))
		return 0;
	ret->site = whence;
	ret->born_ds = whence >> 32;
	return 1;
}

int mt_live_take(__u64 key, struct mt_block *ret)
{
	return block_take(key, ret);
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

static __noinline int spill_put(struct mt_bucket *home, __u64 key, __u64 held, __u64 whence)
{
	struct mt_block block = { .held = held, .site = whence, .born_ds = whence >> 32 };
	int r; /* not long: before 6.4 the kernel sets the lower half of the register only */

	if (!home)
		return -EEXIST;
	__sync_fetch_and_add(&home->key[0], 1); /* first: who looks it up must look here */
	r = bpf_map_update_elem(&live, &key, &block, BPF_NOEXIST);
	if (r)
		__sync_fetch_and_add(&home->key[0], -1);
	if (r == -E2BIG) {
		count_add(MT_CNT_live_full, mt_held_weight(held));
		count_add(MT_CNT_live_full_bytes, mt_held_size(held) * mt_held_weight(held));
	} else if (r) {
		count(MT_CNT_live_error);
	}
	return r;
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

static __always_inline int live_put(__u64 key, __u64 held, __u64 whence)
{
	struct mt_bucket *b = bucket_at(mt_bucket_of(key, cfg.bucket_bits));

	if (!b)
		return -ENOENT;
	if (slot_find(b, key) || *(volatile __u64 *)&b->key[0])
		block_replace(key);
	return slot_put(b, key, held, whence) ? 0 : spill_put(b, key, held, whence);
}

int mt_live_put(__u64 key, __u64 held, __u32 site, __u32 born_ds)
{
	return live_put(key, held, whence_of(site, born_ds));
}

/* Counts a record for the budget. */
static __always_inline void sample_count(__u32 asid)
{
	struct mt_space_cpu *c = space_cpu_of(asid);

	if (c)
		__sync_fetch_and_add(&c->samples, 1);
}

int mt_block_born(__u64 addr, __u64 held, __u32 site, __u32 asid)
{
	__u64 whence = whence_of(site, now_ds()), key = block_key(addr, asid);

	barrier_var(key);
	if (live_put(key, held, whence))
		return -1;
	sample_count(key >> 48);
	site_born(whence, held, whence >> 32);
	region_note(key);
	return 0;
}

static __noinline int death_send(__u64 addr, __u64 key, __u64 held, __u32 site)
{
	return mt_alloc_send(addr, mt_held_size(held), 0, key >> 48, MT_FN_FREE | site << 4);
}

static __noinline int spilled_died(struct mt_bucket *home, __u64 addr, __u64 key)
{
	struct mt_block b;

	if (!home || !spill_take(home, key, &b))
		return 0;
	mt_site_died(b.site, b.held, b.born_ds);
	if (cfg.send_events)
		death_send(addr, key, b.held, b.site);
	return 1;
}

int mt_block_died(__u64 addr, __u32 asid)
{
	__u64 key = block_key(addr, asid), held, whence;
	struct mt_bucket *b = bucket_at(mt_bucket_of(key, cfg.bucket_bits));
	__u32 i;

	if (!b)
		return 0;
	barrier_var(key);
	i = slot_find(b, key);
	if (!i)
		return *(volatile __u64 *)&b->key[0] ? spilled_died(b, addr, key) : 0;
	if (!slot_take(b, i, key, &held, &whence))
		return 0;
	site_died(whence, held, whence >> 32);
	if (cfg.send_events)
		death_send(addr, key, held, whence);
	return 1;
}

/* Run by user space for a block whose free was not seen. */
SEC("?syscall")
int mt_end_block(struct mt_end_block *arg)
{
	return mt_block_died(arg->addr, arg->asid);
}
