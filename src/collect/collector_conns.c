/*
 * Native memory of connections: which one a thread serves is followed or not, and what was counted
 * for each is read. A number is given back when its socket is closed, no thread is left that serves
 * it and none of its blocks is live: until then some death would be taken from another connection.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "collect/collector_impl.h"

#define CONNS_BYTES (MT_CONN_BUCKETS * sizeof(struct mt_conn_bucket))
#define CONTEXTS_BYTES (MT_CONTEXTS * sizeof(uint64_t))
#define INODE(key) ((key)&MT_TALK_INODE)

static int map_table(struct bpf_map *map, size_t bytes, void **ret)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

static int map_tables(struct collector_conns *s, struct memtrace_bpf *skel)
{
	int r = 0;

	if (!s->bucket)
		r = map_table(skel->maps.conns, CONNS_BYTES, (void **)&s->bucket);
	if (!r && !s->context)
		r = map_table(skel->maps.contexts, CONTEXTS_BYTES, (void **)&s->context);
	return r;
}

void collector_conns_done(struct collector *c)
{
	if (c->conns.bucket)
		munmap(c->conns.bucket, CONNS_BYTES);
	if (c->conns.context)
		munmap(c->conns.context, CONTEXTS_BYTES);
}

int collector_set_contexts(struct collector *c, bool on)
{
	int r;

	if (on == collector_has_contexts(c))
		return 0;
	if (!on) {
		__atomic_store_n(&c->skel->bss->contexts_on, 0, __ATOMIC_SEQ_CST);
		return 0;
	}
	r = map_tables(&c->conns, c->skel);
	if (r)
		return r;
	__atomic_fetch_add(&c->skel->bss->conn_generation, 1, __ATOMIC_RELAXED);
	memset(c->conns.context, 0, CONTEXTS_BYTES); /* whom they served when it was switched off */
	__atomic_store_n(&c->skel->bss->contexts_on, 1, __ATOMIC_SEQ_CST);
	return 0;
}

bool collector_has_contexts(const struct collector *c)
{
	return c->skel->bss->contexts_on != 0;
}

static uint64_t read_once(const __u64 *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

/* A birth may be counted later than its death. */
static uint64_t left(const __u64 *born, const __u64 *died)
{
	uint64_t b = read_once(born), d = read_once(died);

	return b > d ? b - d : 0;
}

static void describe(uint64_t key, const struct mt_conn *from, struct collector_conn *ret)
{
	*ret = (struct collector_conn){
		.inode = INODE(key),
		.bytes = left(&from->born.bytes, &from->died.bytes),
		.count = left(&from->born.records, &from->died.records) +
			 left(&from->born.more, &from->died.more),
		.variance = (double)left(&from->born.var, &from->died.var) *
			    (double)(1ull << 2 * MT_VAR_SHIFT),
		.since_ds = from->since_ds,
		.from_start = from->from_start,
	};
}

static uint64_t key_at(const struct collector *c, uint32_t id)
{
	return __atomic_load_n(&c->conns.bucket[id / MT_CONN_SLOTS].key[id % MT_CONN_SLOTS],
			       __ATOMIC_ACQUIRE);
}

static void forget(struct collector *c, uint32_t id)
{
	struct mt_conn_bucket *b = &c->conns.bucket[id / MT_CONN_SLOTS];
	uint32_t slot = id % MT_CONN_SLOTS;

	c->conns.seen_closed[id] = false;
	c->conns.open_bytes[id] = 0;
	__atomic_fetch_add(&c->skel->bss->conn_generation, 1, __ATOMIC_RELAXED);
	memset(&b->conn[slot], 0, sizeof(b->conn[slot]));
	__atomic_store_n(&b->key[slot], 0, __ATOMIC_RELEASE);
}

/* Threads that still seem to serve connections which were found closed now. */
static void end_contexts(struct collector *c, const bool *closed)
{
	for (size_t i = 0; i < MT_CONTEXTS; i++) {
		__u64 v = read_once(&c->conns.context[i]);

		if (closed[mt_block_conn((uint32_t)v)])
			__atomic_compare_exchange_n(&c->conns.context[i], &v, 0, false,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
}

int collector_each_conn(struct collector *c, uint32_t asid, collector_conn_fn fn, void *ctx)
{
	auto_free bool *closed = calloc(MT_CONNS, sizeof(*closed));
	uint32_t out_ds = __atomic_load_n(&c->spaces[asid & (MT_SPACES - 1)].out_ds,
					  __ATOMIC_RELAXED); /* MT_OUT_NOW is later than all */
	bool any = false;

	if (!closed)
		return -ENOMEM;
	for (uint32_t id = 0; c->conns.bucket && id < MT_CONNS; id++) {
		const struct mt_conn *from =
			&c->conns.bucket[id / MT_CONN_SLOTS].conn[id % MT_CONN_SLOTS];
		uint64_t key = key_at(c, id);
		struct collector_conn conn;

		if (!key || key >> 48 != asid)
			continue;
		describe(key, from, &conn);
		conn.gapless = conn.since_ds > out_ds;
		conn.closed = c->conns.seen_closed[id];
		conn.open_bytes = c->conns.open_bytes[id];
		if (fn(ctx, &conn)) {
			c->conns.seen_closed[id] = false;
			c->conns.open_bytes[id] = conn.bytes;
		} else if (!c->conns.seen_closed[id]) {
			c->conns.seen_closed[id] = closed[id] = any = true;
		} else if (read_once(&from->born.records) == read_once(&from->died.records)) {
			forget(c, id);
		}
	}
	if (any)
		end_contexts(c, closed);
	return 0;
}

void collector_drop_conns(struct collector *c, uint32_t asid)
{
	auto_free bool *closed = calloc(MT_CONNS, sizeof(*closed));

	for (uint32_t id = 0; closed && c->conns.bucket && id < MT_CONNS; id++)
		closed[id] = key_at(c, id) >> 48 == asid;
	if (!closed || !c->conns.bucket)
		return;
	end_contexts(c, closed);
	for (uint32_t id = 0; id < MT_CONNS; id++)
		if (closed[id])
			forget(c, id);
}
