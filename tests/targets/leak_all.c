/*
 * Leaks through every allocation function of the C library in turn, a known amount each, from a
 * function of its own; and allocates and frees as much that does not leak.
 * Usage: leak_all [ROUNDS [PAUSE_MS]]
 */
#include <malloc.h>

#include "target.h"

#define BLOCKS_PER_ROUND 5

static struct {
	const char *name;
	uint64_t count, bytes;
} truth[32];

static void count(int i, const char *name, size_t size)
{
	truth[i].name = name;
	truth[i].count++;
	truth[i].bytes += size;
}

/* LEAK(index, function, size, expression of the new block) */
#define LEAKS                                                           \
	LEAK(0, leak_malloc, 100, malloc(100))                          \
	LEAK(1, leak_calloc, 7 * 33, calloc(7, 33))                     \
	LEAK(2, leak_realloc_null, 120, realloc(NULL, 120))             \
	LEAK(3, leak_realloc_grow, 3000, realloc(malloc(16), 3000))     \
	LEAK(4, leak_reallocarray, 10 * 14, reallocarray(NULL, 10, 14)) \
	LEAK(5, leak_posix_memalign, 200, aligned_by_pointer(200))      \
	LEAK(6, leak_aligned_alloc, 256, aligned_alloc(64, 256))        \
	LEAK(7, leak_memalign, 300, memalign(128, 300))                 \
	LEAK(8, leak_valloc, 64, valloc(64))                            \
	LEAK(9, leak_pvalloc, 100, pvalloc(100))                        \
	LEAK(10, leak_strdup, 27, strdup("a string that nobody frees")) \
	LEAK(11, leak_strndup, 11, strndup("a string that nobody frees", 10))

static inline __attribute__((always_inline)) void *aligned_by_pointer(size_t size)
{
	void *p = NULL;

	return posix_memalign(&p, 64, size) ? NULL : p;
}

#define LEAK(i, name, size, make)       \
	static NOINLINE void name(void) \
	{                               \
		void *p = make;         \
                                        \
		forget(p);              \
		count(i, #name, size);  \
	}
LEAKS
#undef LEAK

static NOINLINE void churn(void)
{
	void *p[20];

	for (int i = 0; i < 20; i++)
		p[i] = calloc(1, 50 + i * 40);
	for (int i = 0; i < 20; i++)
		p[i] = realloc(p[i], 100 + i * 10);
	for (int i = 0; i < 20; i++)
		free(p[i]);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 200;
	int ms = argc > 2 ? strtol(argv[2], NULL, 10) : 100;

	await_line("ready");
	for (int r = 0; r < rounds; r++) {
		for (int k = 0; k < BLOCKS_PER_ROUND; k++) {
#define LEAK(i, name, size, make) name();
			LEAKS
#undef LEAK
		}
		churn();
		pause_ns(ms * 1000000l);
	}
	printf("{\"sites\": [");
	for (int i = 0; truth[i].name; i++)
		printf("%s{\"function\": \"%s\", \"count\": %lu, \"bytes\": %lu}", i ? ", " : "",
		       truth[i].name, truth[i].count, truth[i].bytes);
	printf("]}\n");
	await_line("done");
	return 0;
}
