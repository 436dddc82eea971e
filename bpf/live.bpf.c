/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The live set and what its blocks add to their call sites. Births and deaths come from the
 * allocator probes and from whoever else sees blocks. What a block weighs is kept with it, so that
 * its death takes away what its birth added. What is kept of a site: collect/site_fold.h.
 */
#include "live.bpf.h"

int mt_site_born(__u32 whose, __u64 held, __u32 born_ds)
{
	return site_born(whose, held, born_ds);
}

int mt_site_died(__u32 whose, __u64 held, __u32 born_ds)
{
	return site_died(whose, held, born_ds);
}

int mt_site_resized(__u32 whose, __u64 was, __u64 held)
{
	__u64 weight = mt_held_weight(held), old = mt_held_size(was), size = mt_held_size(held);
	struct mt_site *s = site_at(mt_block_site(whose));

	if (!s)
		return 0;
	if (mt_block_conn(whose)) {
		mt_conn_born(mt_block_conn(whose), held);
		mt_conn_died(mt_block_conn(whose), was);
	}
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

int mt_region_send(__u64 key)
{
	__u32 slot = region_slot(key);
	__u64 *seen = bpf_map_lookup_elem(&regions, &slot);
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
	*seen = region_word(key);
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

/* --- connections --- */

__noinline __u32 mt_context(__u32 unused)
{
	__u32 tid = bpf_get_current_pid_tgid(), slot = tid & (MT_CONTEXTS - 1);
	__u64 *at = bpf_map_lookup_elem(&contexts, &slot), v;

	if (!at)
		return 0;
	v = *(volatile __u64 *)at;
	return v >> 32 == tid ? v & ~(__u64)MT_SITE_MASK : 0;
}

static __always_inline struct mt_conn *conn_at(__u32 conn)
{
	__u32 bucket = conn / MT_CONN_SLOTS & (MT_CONN_BUCKETS - 1);
	struct mt_conn_bucket *b = bpf_map_lookup_elem(&conns, &bucket);

	return b ? &b->conn[conn & (MT_CONN_SLOTS - 1)] : NULL;
}

static __always_inline int conn_count(struct mt_conn_sum *sum, __u64 held)
{
	__u64 weight = mt_held_weight(held);

	__sync_fetch_and_add(&sum->records, 1);
	__sync_fetch_and_add(&sum->bytes, mt_held_size(held) * weight);
	if (weight > 1) {
		__sync_fetch_and_add(&sum->more, weight - 1);
		__sync_fetch_and_add(&sum->var, mt_held_var(held));
	}
	return 0;
}

__noinline int mt_conn_born(__u32 conn, __u64 held)
{
	struct mt_conn *c = conn_at(conn);

	return c ? conn_count(&c->born, held) : 0;
}

__noinline int mt_conn_died(__u32 conn, __u64 held)
{
	struct mt_conn *c = conn_at(conn);

	return c ? conn_count(&c->died, held) : 0;
}

/*
 * libuv makes a buffer and then reads into it: it was made in the context of what was read before.
 * A buffer that is there for longer serves many. Nobody frees what is just being read into.
 */
#define ADOPTED_DS 1
__noinline int mt_block_adopt(__u64 key, __u32 context)
{
	struct mt_bucket *b = bucket_at(mt_bucket_of(key, cfg.bucket_bits));
	struct mt_block *block;
	__u32 i, was, whose;

	if (!b)
		return 0;
	i = slot_find(b, key);
	if (!i)
		return 0;
	block = &b->block[i & (MT_BUCKET_SLOTS - 1)];
	was = *(volatile __u32 *)&block->site;
	whose = mt_block_site(was) | context;
	if (was == whose || now_ds() - block->born_ds > ADOPTED_DS ||
	    __sync_val_compare_and_swap(&block->site, was, whose) != was)
		return 0;
	if (mt_block_conn(was))
		mt_conn_died(mt_block_conn(was), block->held);
	if (mt_block_conn(whose))
		mt_conn_born(mt_block_conn(whose), block->held);
	return 1;
}

/* --- the live set --- */

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

/* Takes a block out of the live set into *ret. */
static __noinline int any_take(__u64 key, struct mt_block *ret)
{
	struct mt_bucket *b = bucket_at(mt_bucket_of(key, cfg.bucket_bits));
	__u64 held, whence;
	int r;

	if (!b || !ret)
		return 0;
	r = block_take(key, &held, &whence);
	if (r <= 0)
		return r ? spill_take(b, key, ret) : 0;
	ret->held = held;
	ret->site = whence;
	ret->born_ds = whence >> 32;
	return 1;
}

int mt_live_take(__u64 key, struct mt_block *ret)
{
	return any_take(key, ret);
}

/* Probes were in from a block's birth on. */
static __always_inline int is_free_seen(__u32 asid, __u32 born_ds)
{
	struct mt_space *s = space_of(asid);

	return !s || born_ds > *(volatile __u32 *)&s->out_ds;
}

int mt_block_replace(__u64 key)
{
	struct mt_block old;

	if (!any_take(key, &old))
		return 0;
	count_add(is_free_seen(key >> 48, old.born_ds) ? MT_CNT_frees_missed : MT_CNT_frees_unseen,
		  mt_held_weight(old.held));
	return mt_site_died(old.site, old.held, old.born_ds);
}

int mt_spill_put(__u64 key, __u64 held, __u64 whence)
{
	struct mt_block block = { .held = held, .site = whence, .born_ds = whence >> 32 };
	struct mt_bucket *home = bucket_at(mt_bucket_of(key, cfg.bucket_bits));
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

int mt_live_put(__u64 key, __u64 held, __u32 site, __u32 born_ds)
{
	return live_put(key, held, whence_of(site, born_ds));
}

int mt_block_born(__u64 addr, __u64 held, __u32 site, __u32 asid)
{
	__u64 key = block_key(addr, asid);

	barrier_var(key);
	return block_born(key, held, site);
}

int mt_spilled_died(__u64 addr, __u32 asid)
{
	__u64 key = block_key(addr, asid);
	struct mt_bucket *home = bucket_at(mt_bucket_of(key, cfg.bucket_bits));
	struct mt_block b;

	if (!home || !spill_take(home, key, &b))
		return 0;
	mt_site_died(b.site, b.held, b.born_ds);
	if (cfg.send_events)
		mt_alloc_send(addr, mt_held_size(b.held), 0, asid,
			      MT_FN_FREE | mt_block_site(b.site) << 4);
	return 1;
}

int mt_block_died(__u64 addr, __u32 asid)
{
	__u64 held, whence;
	int r = block_take(block_key(addr, asid), &held, &whence);

	if (r <= 0)
		return r ? mt_spilled_died(addr, asid) : 0;
	if (cfg.send_events)
		mt_alloc_send(addr, mt_held_size(held), 0, asid,
			      MT_FN_FREE | mt_block_site(whence) << 4);
	site_died(whence, held, whence >> 32);
	return 1;
}

static __noinline int block_peek(__u64 key, __u32 *ret_born_ds)
{
	struct mt_bucket *b = bucket_at(mt_bucket_of(key, cfg.bucket_bits));
	struct mt_block *spilled;
	__u32 i;

	if (!b || !ret_born_ds)
		return 0;
	i = slot_find(b, key);
	if (i) {
		*ret_born_ds = b->block[i & (MT_BUCKET_SLOTS - 1)].born_ds;
		return 1;
	}
	spilled = bpf_map_lookup_elem(&live, &key);
	if (!spilled)
		return 0;
	*ret_born_ds = spilled->born_ds;
	return 1;
}

/*
 * Run by user space for a block whose free was not seen. A newer one at its address is left alone:
 * it is looked at before it is taken, so that its own free finds it there, and after that.
 */
SEC("?syscall")
int mt_end_block(struct mt_end_block *arg)
{
	__u64 key = block_key(arg->addr, arg->asid);
	__u32 born_ds = arg->born_ds, found = 0;
	struct mt_block b;

	if (!block_peek(key, &found) || found != born_ds || !any_take(key, &b))
		return 0;
	if (b.born_ds != born_ds) {
		if (mt_live_put(key, b.held, b.site, b.born_ds))
			mt_site_died(b.site, b.held, b.born_ds);
		return 0;
	}
	count_add(MT_CNT_frees_unseen, mt_held_weight(b.held));
	mt_site_died(b.site, b.held, b.born_ds);
	if (cfg.send_events)
		mt_alloc_send(arg->addr, mt_held_size(b.held), 0, arg->asid,
			      MT_FN_FREE | mt_block_site(b.site) << 4);
	return 1;
}
