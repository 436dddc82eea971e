/*
 * The allocator functions that a program calls instead of its own, when this library is loaded
 * before all others: each passes on to the next definition. On the way a thread counts down the
 * bytes to its next sample, and a block on which the count ends is announced (announce.h), as is
 * the end of such a block. A block that is not sampled costs a subtraction; a free that it is not
 * of a sampled block costs one load. There are no locks, and nothing is allocated.
 *
 * A realloc that succeeds is the end of the old block and the birth of another one, in place too:
 * so each block is taken by the chance of its own size. One that fails changes nothing.
 */
#include "preload/preload.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "memtrace/weight.h"
#include "preload/announce.h"
#include "preload/gap.h"
#include "preload/next.h"

#define DEFAULT_MEAN (512u << 10)
#define NOT_NOW UINT64_MAX /* bytes to the next sample while one is being taken */

#define EXPORT __attribute__((visibility("default")))
#define NOINLINE __attribute__((noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

struct set preload_held;

static uint64_t mean_bytes; /* 0: not read yet */

static __thread struct {
	uint64_t left;	 /* bytes to the next sample; 0 before the first */
	uint64_t random; /* gap_random(); 0 before the first */
} me;

/* MEMTRACE_SAMPLE_BYTES; what is not a number of bytes from 1 to 2^40 is the default. */
static uint64_t read_mean(void)
{
	const char *text = getenv("MEMTRACE_SAMPLE_BYTES");
	uint64_t n = 0;

	for (; text && *text >= '0' && *text <= '9' && n < 1ull << 40; text++)
		n = n * 10 + (*text - '0');
	return text && !*text && n && n <= 1ull << 40 ? n : DEFAULT_MEAN;
}

/* 0 while the environment is not there yet. */
static uint64_t mean(void)
{
	uint64_t m = __atomic_load_n(&mean_bytes, __ATOMIC_RELAXED);

	if (likely(m) || !environ)
		return m;
	m = read_mean();
	__atomic_store_n(&mean_bytes, m, __ATOMIC_RELAXED);
	return m;
}

/* Of this thread and process: a forked child must not go on where its parent and siblings do. */
static uint64_t random_number(void)
{
	struct timespec t = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &t);
	me.random ^= (uint64_t)t.tv_nsec << 32 ^ (uint64_t)t.tv_sec ^ (uintptr_t)&me;
	return gap_random(&me.random);
}

/* Whether the next sample is not within this block: nearly always. */
static inline bool passes(size_t size)
{
	uint64_t length = size < MT_LEAST_BYTES ? MT_LEAST_BYTES : size, left = me.left;

	if (unlikely(length >= left))
		return false;
	me.left = left - length;
	return true;
}

/* After passes() has said no. What this thread allocates until sample_end() is not sampled. */
static NOINLINE bool sample_begin(size_t size)
{
	uint64_t m = mean();

	if (!m)
		return false;
	if (!me.random) {
		me.left = gap_of(random_number(), m);
		if (passes(size))
			return false;
	}
	me.left = NOT_NOW;
	return true;
}

/* p NULL: it failed. Blocks of no bytes cannot be told: they would weigh nothing. */
static NOINLINE void sample_end(void *p, size_t size)
{
	uint64_t m = mean(), weighed;

	if (p && size && announce_is_heard()) {
		weighed = gap_weigh(size, m);
		if (set_add(&preload_held, (uintptr_t)p))
			announce_alloc(p, size, weighed);
		else
			announce_refused(size, weighed);
	}
	me.left = gap_of(random_number(), m);
}

/* --- allocations ------------------------------------------------------------------------------ */

static NOINLINE void *malloc_sampled(size_t size)
{
	bool taken = sample_begin(size);
	void *p = next.malloc(size);

	if (taken)
		sample_end(p, size);
	return p;
}

EXPORT void *malloc(size_t size)
{
	return likely(passes(size)) ? next.malloc(size) : malloc_sampled(size);
}

static NOINLINE void *calloc_sampled(size_t count, size_t size, size_t bytes)
{
	bool taken = sample_begin(bytes);
	void *p = next.calloc(count, size);

	if (taken)
		sample_end(p, bytes);
	return p;
}

EXPORT void *calloc(size_t count, size_t size)
{
	size_t bytes;

	if (unlikely(__builtin_mul_overflow(count, size, &bytes)) || likely(passes(bytes)))
		return next.calloc(count, size);
	return calloc_sampled(count, size, bytes);
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t size)
{
	bool taken = !likely(passes(size)) && sample_begin(size);
	int r = next.posix_memalign(ret, alignment, size);

	if (unlikely(taken))
		sample_end(r ? NULL : *ret, size);
	return r;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	bool taken = !likely(passes(size)) && sample_begin(size);
	void *p = next.aligned_alloc(alignment, size);

	if (unlikely(taken))
		sample_end(p, size);
	return p;
}

EXPORT void *memalign(size_t alignment, size_t size)
{
	bool taken = !likely(passes(size)) && sample_begin(size);
	void *p = next.memalign(alignment, size);

	if (unlikely(taken))
		sample_end(p, size);
	return p;
}

EXPORT void *valloc(size_t size)
{
	bool taken = !likely(passes(size)) && sample_begin(size);
	void *p = next.valloc(size);

	if (unlikely(taken))
		sample_end(p, size);
	return p;
}

EXPORT void *pvalloc(size_t size)
{
	bool taken = !likely(passes(size)) && sample_begin(size);
	void *p = next.pvalloc(size);

	if (unlikely(taken))
		sample_end(p, size);
	return p;
}

/* --- ends of blocks --------------------------------------------------------------------------- */

/* True when the block is not the allocator's. Told before it happens: order by address holds. */
static NOINLINE bool free_maybe_sampled(void *p)
{
	if (next_is_early(p))
		return true;
	if (set_take(&preload_held, (uintptr_t)p))
		announce_free(p);
	return false;
}

EXPORT void free(void *p)
{
	if (unlikely(set_may_hold(&preload_held, (uintptr_t)p)) && free_maybe_sampled(p))
		return;
	next.free(p);
}

/* The end of the old block is told afterwards, when it is known that it ended. */
static NOINLINE void *realloc_maybe_sampled(void *old, size_t size)
{
	bool held, taken;
	void *p;

	if (next_is_early(old))
		return next_move_early(old, size);
	held = set_take(&preload_held, (uintptr_t)old);
	taken = !passes(size) && sample_begin(size);
	p = next.realloc(old, size);
	if (held && !p && size)
		set_add(&preload_held, (uintptr_t)old);
	else if (held)
		announce_free(old);
	if (taken)
		sample_end(p, size);
	return p;
}

EXPORT void *realloc(void *old, size_t size)
{
	if (unlikely(set_may_hold(&preload_held, (uintptr_t)old)) || unlikely(!passes(size)))
		return realloc_maybe_sampled(old, size);
	return next.realloc(old, size);
}

/* The C library's own calls realloc(), which would be counted twice. */
EXPORT void *reallocarray(void *old, size_t count, size_t size)
{
	size_t bytes;

	if (!__builtin_mul_overflow(count, size, &bytes))
		return realloc(old, bytes);
	errno = ENOMEM;
	return NULL;
}
