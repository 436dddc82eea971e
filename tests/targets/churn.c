/*
 * A paced churn with exact books: THREADS threads together make RATE allocations a second and keep
 * LIVE blocks alive, replacing the oldest. Counts what it did itself; stops after RATE x SECONDS of
 * them, which takes longer on a busy machine, but at most three times as long.
 * Usage: churn [SECONDS [RATE [LIVE [THREADS]]]]
 */
#include <pthread.h>
#include <stdatomic.h>

#include "target.h"

#define BATCH_NS 1000000 /* pace in steps of a millisecond */

struct worker {
	pthread_t thread;
	uint64_t seed, rate, slots, seconds;
	uint64_t allocs, frees, alloc_bytes, free_bytes;
	struct {
		void *p;
		uint32_t size;
	} * ring;
};

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	return *s ^= *s << 17;
}

static NOINLINE void replace_block(struct worker *w, uint64_t slot)
{
	uint32_t size = 16 + next_random(&w->seed) % 240;

	if (w->ring[slot].p) {
		w->frees++;
		w->free_bytes += w->ring[slot].size;
		free(w->ring[slot].p);
	}
	w->ring[slot].p = malloc(size);
	w->ring[slot].size = size;
	w->allocs++;
	w->alloc_bytes += size;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t start = now_ns(), end = start + 3 * w->seconds * 1000000000ull, done = 0, t;
	uint64_t all = w->rate * w->seconds;

	while (done < all && (t = now_ns()) < end) {
		uint64_t due = (t - start) / 1000 * w->rate / 1000000;

		due = due < all ? due : all;

		for (; done < due; done++)
			replace_block(w, done % w->slots);
		pause_ns(BATCH_NS);
	}
	return NULL;
}

static uint64_t arg_or(int argc, char **argv, int i, uint64_t otherwise)
{
	return argc > i ? strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	uint64_t seconds = arg_or(argc, argv, 1, 10), rate = arg_or(argc, argv, 2, 200000);
	uint64_t live = arg_or(argc, argv, 3, 1000000), threads = arg_or(argc, argv, 4, 4);
	struct worker *w = calloc(threads, sizeof(*w)), sum = { 0 };

	for (uint64_t i = 0; i < threads; i++) {
		w[i] = (struct worker){ .seed = i + 1,
					.rate = rate / threads,
					.slots = live / threads,
					.seconds = seconds };
		w[i].ring = calloc(w[i].slots, sizeof(*w[i].ring));
	}
	await_line("ready");
	for (uint64_t i = 0; i < threads; i++)
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	for (uint64_t i = 0; i < threads; i++) {
		pthread_join(w[i].thread, NULL);
		sum.allocs += w[i].allocs;
		sum.frees += w[i].frees;
		sum.alloc_bytes += w[i].alloc_bytes;
		sum.free_bytes += w[i].free_bytes;
	}
	printf("{\"allocs\": %lu, \"frees\": %lu, \"alloc_bytes\": %lu, \"free_bytes\": %lu}\n",
	       sum.allocs, sum.frees, sum.alloc_bytes, sum.free_bytes);
	await_line("done");
	return 0;
}
