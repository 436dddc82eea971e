/*
 * Leaks known amounts through several functions, from several threads, amid blocks that are freed
 * and reallocated. Prints its truth as one line of JSON, then waits for a line or a signal.
 * Usage: preloaded [alone]: alone does not wait for a line to begin.
 */
#include <malloc.h>
#include <pthread.h>

#include "target.h"

#define THREADS 3
#define ROUNDS 40000

static size_t bytes_small, bytes_aligned, bytes_grown, bytes_zeroed;

#define KEEP(sum, n) __atomic_fetch_add(&(sum), (n), __ATOMIC_RELAXED)

static NOINLINE void keep_small(size_t size)
{
	forget(malloc(size));
	KEEP(bytes_small, size);
}

static NOINLINE void keep_aligned(size_t size)
{
	void *p = NULL;

	if (posix_memalign(&p, 64, size) == 0)
		KEEP(bytes_aligned, size);
	forget(p);
}

/* Grown in steps; what counts is the last size. */
static NOINLINE void keep_grown(size_t size)
{
	char *p = NULL;

	for (size_t n = size / 4; n <= size; n += size / 4)
		p = realloc(p, n);
	forget(p);
	KEEP(bytes_grown, size / 4 * 4);
}

static NOINLINE void keep_zeroed(size_t size)
{
	forget(calloc(size / 8, 8));
	KEEP(bytes_zeroed, size / 8 * 8);
}

/* Comes and goes; a realloc that fails changes nothing. */
static NOINLINE void use_briefly(size_t size)
{
	char *p = malloc(size), *q;

	q = realloc(p, (size_t)1 << 62);
	if (q)
		abort();
	p = reallocarray(p, 2, size);
	forget(p);
	free(p);
}

static void *work(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		use_briefly(500 + i % 700);
		keep_small(40 + i % 200);
		if (i % 4 == 0)
			keep_aligned(600);
		if (i % 8 == 0)
			keep_grown(2000);
		if (i % 16 == 0)
			keep_zeroed(3000);
	}
	return arg;
}

/* Before main, and before the library's own constructors could run. */
__attribute__((constructor)) static void early(void)
{
	free(malloc(100));
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];

	if (argc < 2)
		await_line("ready");
	else if (strcmp(argv[1], "alone") != 0)
		return 2;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	printf("{\"keep_small\": %zu, \"keep_aligned\": %zu, \"keep_grown\": %zu, "
	       "\"keep_zeroed\": %zu}\n",
	       bytes_small, bytes_aligned, bytes_grown, bytes_zeroed);
	fflush(stdout);
	if (argc < 2)
		await_line("done");
	else
		pause();
	return 0;
}
