/*
 * The live set under threads: the same C code as in the kernel, with maps that bear them. Threads
 * allocate, hand over and free as a program does (an address belongs to one at a time); one more
 * ends blocks at random, as the sweep of stale blocks does. In the end nothing may be left, and
 * what was added must have been taken away to the byte.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#define MT_FAKE_BUCKETS
#include "../../bpf/core.bpf.c"
#include "../../bpf/live.bpf.c"
#include "../../src/collect/site_fold.c"

#include <cmocka.h>

#define THREADS 4
#define ADDRS 96 /* more than the table's 56 keys: buckets overflow all the time */
#define BITS 3
#define SPILL 8
#define ROUNDS 150000
#define SITES 4 /* the site under test has number 1 and pages 2 and 3 */

static struct {
	struct mt_bucket bucket[1 << BITS];
	struct mt_site site[SITES];
	__u64 counter[MT_CNT_MAX];
	__u64 shard_base;     /* 0 at first */
	pthread_mutex_t lock; /* of the hash */
	struct {
		__u64 key;
		struct mt_block block;
	} spilled[ADDRS];
	size_t spilled_count;
	__u64 owned[ADDRS]; /* 0: free, 1: somebody's, 2: up for anybody to free */
	int stop;
	__u64 swept, known, refused;
} t = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct mt_bucket *bucket_at(__u32 n)
{
	return &t.bucket[n];
}

/* The kernel's answer points into memory that stays readable for the program's time; so does a
 * copy of the thread's own. */
static __thread struct mt_block found;

static struct mt_block *hash_lookup(__u64 key)
{
	struct mt_block *r = NULL;

	pthread_mutex_lock(&t.lock);
	for (size_t i = 0; i < t.spilled_count && !r; i++)
		if (t.spilled[i].key == key) {
			found = t.spilled[i].block;
			r = &found;
		}
	pthread_mutex_unlock(&t.lock);
	return r;
}

void *fake_lookup(void *map, const void *key, size_t ks, size_t vs, unsigned int type, size_t max)
{
	__u32 n = *(const __u32 *)key;

	(void)ks;
	(void)vs;
	(void)type;
	(void)max;
	if (map == &live)
		return hash_lookup(*(const __u64 *)key);
	if (map == &shard_of)
		return n == 1 ? &t.shard_base : NULL;
	if (map == &sites)
		return n < SITES ? &t.site[n] : NULL;
	if (map == &counters)
		return &t.counter[n];
	return NULL;
}

long fake_update(void *map, const void *key, const void *value, size_t ks, size_t vs,
		 unsigned int type, size_t max, unsigned long flags)
{
	long r = -EEXIST;

	(void)ks;
	(void)vs;
	(void)type;
	(void)max;
	(void)flags;
	assert_ptr_equal(map, &live);
	if (hash_lookup(*(const __u64 *)key))
		return r;
	pthread_mutex_lock(&t.lock);
	r = t.spilled_count == SPILL ? -E2BIG : 0;
	if (!r) {
		t.spilled[t.spilled_count].key = *(const __u64 *)key;
		t.spilled[t.spilled_count++].block = *(const struct mt_block *)value;
	}
	pthread_mutex_unlock(&t.lock);
	return r;
}

long fake_delete(void *map, const void *key, size_t ks, size_t vs)
{
	long r = -ENOENT;

	(void)ks;
	(void)vs;
	assert_ptr_equal(map, &live);
	pthread_mutex_lock(&t.lock);
	for (size_t i = 0; i < t.spilled_count; i++)
		if (t.spilled[i].key == *(const __u64 *)key) {
			t.spilled[i] = t.spilled[--t.spilled_count];
			r = 0;
			break;
		}
	pthread_mutex_unlock(&t.lock);
	return r;
}

void *bpf_ringbuf_reserve(void *map, uint64_t size, uint64_t flags)
{
	(void)map;
	(void)size;
	(void)flags;
	return NULL;
}

void bpf_ringbuf_submit(void *data, uint64_t flags)
{
	(void)data;
	(void)flags;
}

uint64_t bpf_ringbuf_query(void *map, uint64_t what)
{
	(void)map;
	(void)what;
	return 0;
}

uint64_t bpf_ktime_get_ns(void)
{
	return 10000000000ull;
}

uint32_t bpf_get_prandom_u32(void)
{
	return 4;
}

uint64_t bpf_jiffies64(void)
{
	return 1;
}

uint64_t bpf_get_current_pid_tgid(void)
{
	return 1;
}

/* Threads wander. */
uint32_t bpf_get_smp_processor_id(void)
{
	static __thread uint32_t calls;

	return calls++ / 100;
}

static uint32_t rnd(uint64_t *state, uint32_t below)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (*state >> 33) % below;
}

static __u64 addr_of(uint32_t i)
{
	return 0x10000 + 16 * (__u64)i;
}

static int take(uint32_t i, __u64 from, __u64 to)
{
	return __sync_bool_compare_and_swap(&t.owned[i], from, to);
}

static void end(uint32_t i)
{
	if (mt_block_died(addr_of(i), 1))
		__sync_fetch_and_add(&t.known, 1);
	__atomic_store_n(&t.owned[i], 0, __ATOMIC_RELEASE); /* the allocator has it back */
}

static void *program(void *arg)
{
	uint64_t state = (uintptr_t)arg;

	for (uint32_t step = 0; step < ROUNDS; step++) {
		uint32_t i = rnd(&state, ADDRS);

		if (step == ROUNDS / 2) /* found to be busy */
			__atomic_store_n(&t.shard_base, 2, __ATOMIC_RELAXED);
		if (take(i, 0, 1)) {
			if (mt_block_born(addr_of(i), mt_held(1 + rnd(&state, 9999), 1), 1, 1))
				__sync_fetch_and_add(&t.refused, 1);
			if (rnd(&state, 2))
				end(i);
			else
				__atomic_store_n(&t.owned[i], 2, __ATOMIC_RELEASE);
		} else if (take(i, 2, 1)) {
			end(i);
		}
	}
	return NULL;
}

static void *sweeper(void *arg)
{
	uint64_t state = 99;

	(void)arg;
	while (!__atomic_load_n(&t.stop, __ATOMIC_RELAXED))
		if (mt_block_died(addr_of(rnd(&state, ADDRS)), 1))
			t.swept++;
	return NULL;
}

static void nothing_is_lost_or_taken_twice(void **state)
{
	struct mt_config *c = (struct mt_config *)&cfg;
	pthread_t id[THREADS], sweep;
	const struct mt_site *pages[] = { &t.site[1], &t.site[2], &t.site[3] };
	struct mt_site folded, *s = &folded;

	(void)state;
	c->bucket_bits = BITS;
	c->shard_mask = 1;
	pthread_create(&sweep, NULL, sweeper, NULL);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&id[i], NULL, program, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		pthread_join(id[i], NULL);
	__atomic_store_n(&t.stop, 1, __ATOMIC_RELAXED);
	pthread_join(sweep, NULL);
	for (uint32_t i = 0; i < ADDRS; i++)
		end(i);
	site_fold(pages, 3, s);
	assert_int_equal(s->alloc_count, s->free_count);
	assert_true(t.site[2].alloc_count && t.site[3].alloc_count);
	assert_int_equal(s->alloc_bytes, s->free_bytes);
	assert_int_equal(s->free_count, t.known + t.swept);
	assert_int_equal(t.counter[MT_CNT_frees_missed], 0);
	assert_int_equal(t.counter[MT_CNT_live_error], 0);
	assert_int_equal(t.counter[MT_CNT_live_full], t.refused);
	assert_int_equal((uint32_t)s->fine[10], 0);
	assert_int_equal(t.spilled_count, 0);
	for (uint32_t b = 0; b < 1 << BITS; b++)
		for (uint32_t i = 0; i < MT_BUCKET_SLOTS; i++)
			assert_int_equal(t.bucket[b].key[i], 0);
	print_message("%llu blocks, %llu refused, %llu swept\n", (unsigned long long)s->alloc_count,
		      (unsigned long long)t.refused, (unsigned long long)t.swept);
	assert_true(s->alloc_count > ROUNDS && t.swept > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_or_taken_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
