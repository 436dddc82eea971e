/*
 * Calls an allocator in all the ways that take different paths through it, and tells a tracer of
 * every call before and after it, by a breakpoint instruction of its own. Usage: driver CALLS SEED.
 * Runs with any C library. Each call is one of malloc, calloc, aligned_alloc, memalign, or one of
 * those that are not looked at but move the allocator along: realloc, posix_memalign, free.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "marks.h"

#define SPACE (64ull << 30) /* bytes of address space: no allocator reserves as much */
#define SLOTS 700
#define THREADS 3

struct pool {
	void *slot[SLOTS];
	uint64_t seed;
	long calls;
};

/* Blocks that one thread gives away and another frees. */
static void *handed_over[64];

static void mark(enum mark op, uint64_t fn, uint64_t size, uint64_t result)
{
	__asm__ volatile("int3" : : "a"((uint64_t)op), "D"(fn), "S"(size), "d"(result) : "memory");
}

static uint64_t next(struct pool *p)
{
	p->seed ^= p->seed << 13;
	p->seed ^= p->seed >> 7;
	p->seed ^= p->seed << 17;
	return p->seed * 0x2545f4914f6cdd1dull >> 8;
}

/* Mostly small; some of every size up to what mmap() serves; some that cannot be had. */
static size_t pick_size(struct pool *p)
{
	const uint64_t r = next(p) % 1000;

	if (r < 600)
		return next(p) % 200;
	if (r < 850)
		return next(p) % 3000;
	if (r < 960)
		return next(p) % 70000;
	if (r < 990)
		return next(p) % 600000;
	if (r < 994)
		return next(p) % (8u << 20);
	if (r < 996)
		return 0;
	if (r < 998)
		return (size_t)PTRDIFF_MAX + next(p) % 5000;
	return (size_t)1 << (40 + next(p) % 20);
}

static void *call_malloc(size_t size)
{
	void *volatile result;

	mark(MARK_BEGIN, FN_malloc, size, 0);
	result = malloc(size);
	mark(MARK_END, FN_malloc, size, (uint64_t)result);
	return result;
}

static void *call_calloc(struct pool *p, size_t size)
{
	size_t count = 1 + next(p) % 7;
	void *volatile result;

	if (next(p) % 300 == 0)
		count = SIZE_MAX / 3 + next(p) % 9; /* the product wraps */
	mark(MARK_BEGIN, FN_calloc, size * count, 0);
	result = calloc(count, size);
	mark(MARK_END, FN_calloc, size * count, (uint64_t)result);
	return result;
}

static void *call_aligned(struct pool *p, enum mark_fn fn, size_t size)
{
	const size_t alignment = (size_t)8 << next(p) % 12;
	void *volatile result;

	mark(MARK_BEGIN, fn, size, 0);
	result = fn == FN_memalign ? memalign(alignment, size) : aligned_alloc(alignment, size);
	mark(MARK_END, fn, size, (uint64_t)result);
	return result;
}

static void *call_other(struct pool *p, void *old, size_t size)
{
	void *result = NULL;

	mark(MARK_BEGIN, FN_other, size, 0);
	if (next(p) % 4 == 0 && posix_memalign(&result, (size_t)16 << next(p) % 8, size) == 0) {
		free(old);
	} else {
		result = realloc(old, size);
		if (!result && size)
			result = old;
	}
	mark(MARK_END, FN_other, size, (uint64_t)result);
	return result;
}

static void work(struct pool *p)
{
	for (long i = 0; i < p->calls; i++) {
		void **slot = &p->slot[next(p) % SLOTS];
		const size_t size = pick_size(p);
		const uint64_t what = next(p) % 20;

		if (what == 19) {
			*slot = call_other(p, *slot, size);
			continue;
		}
		if (what == 18)
			*slot = __atomic_exchange_n(&handed_over[next(p) % 64], *slot,
						    __ATOMIC_SEQ_CST);
		free(*slot);
		*slot = what < 11   ? call_malloc(size)
			: what < 16 ? call_calloc(p, size)
			: what < 17 ? call_aligned(p, FN_aligned_alloc, size)
				    : call_aligned(p, FN_memalign, size);
	}
	for (size_t i = 0; i < SLOTS; i++) {
		free(p->slot[i]);
		p->slot[i] = NULL;
	}
}

static void *thread(void *arg)
{
	work(arg);
	return NULL;
}

/* Address space that runs out: second tries, and calls that fail late. */
static void run_short(struct pool *p)
{
	struct rlimit limit, before;

	getrlimit(RLIMIT_AS, &before);
	limit = before;
	limit.rlim_cur = 96u << 20;
	if (setrlimit(RLIMIT_AS, &limit) == 0)
		work(p);
	setrlimit(RLIMIT_AS, &before);
}

/*
 * Sizes that cannot be had must not be had: mimalloc 3.0.1 gets terabytes where memory may be
 * overcommitted, and a calloc() in them writes until the machine has no memory left.
 */
static void keep_small(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_AS, &limit);
	if (limit.rlim_cur > SPACE)
		limit.rlim_cur = SPACE;
	if (setrlimit(RLIMIT_AS, &limit))
		abort();
}

int main(int argc, char **argv)
{
	static struct pool pool[1 + THREADS];
	pthread_t id[THREADS];
	long calls = argc > 1 ? atol(argv[1]) : 1000;

	for (int i = 0; i <= THREADS; i++)
		pool[i] = (struct pool){ .seed = 88172645463325252ull + 977 * i +
						 (argc > 2 ? strtoull(argv[2], NULL, 10) : 0),
					 .calls = calls };
	keep_small();
	mark(MARK_READY, 0, 0, 0);
	work(&pool[0]);
	run_short(&pool[0]);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&id[i], NULL, thread, &pool[1 + i]))
			return 2;
	work(&pool[0]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(id[i], NULL);
	run_short(&pool[0]);
	return 0;
}
