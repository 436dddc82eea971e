/*
 * Heaps of shapes that are hard to walk, and what malloc itself says of them.
 *
 *   heap_shapes [no-sbrk]
 *
 * Obeys one line of standard input at a time and answers each with one line: words are
 *
 *   grow N      each of 4 threads takes N blocks of many sizes and frees half of them
 *   small N     N blocks of 24 to 120 bytes, every third one freed: fast bins
 *   cache       each thread fills its thread cache
 *   big N       N blocks with mappings of their own
 *   release     everything freed, malloc_trim(0)
 *   shrink      what the main thread took last is freed, so that the heap ends lower
 *   wall        sbrk() fails from now on
 *   join        a piece of the main arena behind a mapping of others, joined to it by the kernel
 *   hold N      a block of N MiB, of which the first page is written
 *   churn       threads take and free for ever; churn-off: until then
 *   leak N      N MiB in blocks of 64 bytes
 *   say         nothing
 *
 * The answer is JSON: of mallinfo2(), "used" (uordblks), "free" (fordblks), "mapped" (hblkhd),
 * "mapped_count" (hblks), "fast" (fsmblks) and "arena".
 * With no-sbrk, sbrk() fails from the start: the main arena is made of mappings.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define THREADS 4
#define BLOCKS (1 << 20)

struct worker {
	pthread_t thread;
	void **block;
	size_t count;
	uint64_t seed;
	int job;
	size_t n;
};

static struct worker worker[THREADS + 1]; /* the last one is the main thread */
static pthread_barrier_t begin, done;
static atomic_bool churning;
static void *big[1024];
static size_t bigs;

static uint64_t next_random(struct worker *w)
{
	w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
	return w->seed >> 33;
}

static void keep(struct worker *w, size_t size)
{
	void *p;

	if (w->count == BLOCKS)
		return;
	p = malloc(size);
	memset(p, 0x5a, size);
	w->block[w->count++] = p;
}

static void grow(struct worker *w, size_t n)
{
	size_t from = w->count;

	for (size_t i = 0; i < n; i++)
		keep(w, next_random(w) % (i % 16 ? 900 : 20000) + 1);
	for (size_t i = from; i < w->count; i++) {
		if (next_random(w) % 2)
			continue;
		free(w->block[i]);
		w->block[i] = w->block[--w->count];
	}
}

static void small(struct worker *w, size_t n)
{
	size_t from = w->count;

	for (size_t i = 0; i < n; i++)
		keep(w, 24 + i % 7 * 16);
	for (size_t i = from; i < w->count; i += 2) {
		free(w->block[i]);
		w->block[i] = w->block[--w->count];
	}
}

static void fill_cache(void)
{
	void *p[7];

	for (size_t size = 24; size <= 1032; size += 16) {
		for (int i = 0; i < 7; i++)
			p[i] = malloc(size);
		for (int i = 0; i < 7; i++)
			free(p[i]);
	}
}

static void shrink(struct worker *w, size_t keep_blocks)
{
	while (w->count > keep_blocks)
		free(w->block[--w->count]);
}

enum { GROW, SMALL, CACHE, RELEASE, CHURN, QUIT };

static void do_job(struct worker *w)
{
	size_t kept = w->count;

	switch (w->job) {
	case GROW: grow(w, w->n); break;
	case SMALL: small(w, w->n); break;
	case CACHE: fill_cache(); break;
	case RELEASE: shrink(w, 0); break;
	case CHURN:
		while (churning) {
			grow(w, 100);
			shrink(w, kept);
		}
		break;
	}
}

static void *run(void *arg)
{
	struct worker *w = arg;

	for (;;) {
		pthread_barrier_wait(&begin);
		if (w->job == QUIT)
			return NULL;
		do_job(w);
		pthread_barrier_wait(&done);
	}
}

static void all_do(int job, size_t n)
{
	for (int i = 0; i < THREADS; i++) {
		worker[i].job = job;
		worker[i].n = n;
	}
	pthread_barrier_wait(&begin);
	if (job != CHURN && job != QUIT)
		pthread_barrier_wait(&done);
}

/* The break cannot move over a page that is mapped there. */
static void build_wall(void)
{
	uintptr_t end = ((uintptr_t)sbrk(0) + 4095) & ~4095ul;

	if (mmap((void *)end, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		 -1, 0) == MAP_FAILED)
		exit(1);
}

#define PIECE_BLOCK 100000
#define PIECE 0x39000 /* what malloc maps for it: with 128 KiB more, in whole pages */
#define JOINED (4ul << 20)

/* A hole behind a mapping, the only one that a piece fits in, until a block lies there. */
static bool join_piece(struct worker *w)
{
	char *mapped = mmap(NULL, JOINED + PIECE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *hole = mapped + JOINED, *at;

	memset(mapped, 0x5a, JOINED);
	do {
		at = mmap(NULL, PIECE / 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	} while (at > mapped && at != MAP_FAILED);
	munmap(hole, PIECE);
	for (int i = 0; i < 16; i++) {
		keep(w, PIECE_BLOCK);
		at = w->block[w->count - 1];
		if (at >= hole && at < hole + 4096)
			return true;
	}
	return false;
}

/* By words of a line; false: not known, or it cannot be. */
static bool obey(const char *word, size_t n)
{
	struct worker *main_worker = &worker[THREADS];

	if (!strcmp(word, "grow")) {
		all_do(GROW, n);
		grow(main_worker, n);
	} else if (!strcmp(word, "small")) {
		all_do(SMALL, n);
		small(main_worker, n);
	} else if (!strcmp(word, "cache")) {
		all_do(CACHE, 0);
		fill_cache();
	} else if (!strcmp(word, "release")) {
		all_do(RELEASE, 0);
		shrink(main_worker, 0);
		malloc_trim(0);
	} else if (!strcmp(word, "shrink")) {
		shrink(main_worker, main_worker->count / 2);
	} else if (!strcmp(word, "big")) {
		for (size_t i = 0; i < n && bigs < 1024; i++) {
			big[bigs] = malloc((160 << 10) + i * 5000);
			memset(big[bigs++], 1, 5000);
		}
	} else if (!strcmp(word, "hold")) {
		char *p = malloc(n << 20);

		*p = 1;
		big[bigs++ % 1024] = p;
	} else if (!strcmp(word, "leak")) {
		for (size_t i = 0; i < n << 14; i++)
			memset(malloc(56), 1, 56);
	} else if (!strcmp(word, "wall")) {
		build_wall();
	} else if (!strcmp(word, "join")) {
		return join_piece(main_worker);
	} else if (!strcmp(word, "churn")) {
		churning = true;
		all_do(CHURN, 0);
	} else if (!strcmp(word, "churn-off")) {
		churning = false;
		pthread_barrier_wait(&done);
	} else {
		return !strcmp(word, "say");
	}
	return true;
}

static void say(void)
{
	struct mallinfo2 m = mallinfo2();

	printf("{\"used\":%zu,\"free\":%zu,\"mapped\":%zu,\"mapped_count\":%zu,\"fast\":%zu,"
	       "\"arena\":%zu}\n",
	       m.uordblks, m.fordblks, m.hblkhd, m.hblks, m.fsmblks, m.arena);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[64], word[32];

	if (argc > 1 && !strcmp(argv[1], "no-sbrk"))
		build_wall();
	pthread_barrier_init(&begin, NULL, THREADS + 1);
	pthread_barrier_init(&done, NULL, THREADS + 1);
	for (int i = 0; i <= THREADS; i++) {
		worker[i].seed = i + 1;
		worker[i].block = mmap(NULL, BLOCKS * sizeof(void *), PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (i < THREADS)
			pthread_create(&worker[i].thread, NULL, run, &worker[i]);
	}
	say();
	while (fgets(line, sizeof(line), stdin)) {
		size_t n = 0;

		if (sscanf(line, "%31s %zu", word, &n) < 1 || !obey(word, n))
			return 1;
		say();
	}
	return 0;
}
