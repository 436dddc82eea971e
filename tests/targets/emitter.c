/*
 * An allocator of its own make that samples and announces by itself, by the contract otel_memory,
 * and uses no malloc() for it. Each line that it reads makes it go on: blocks are made, then given
 * back in part. Prints what it announced and how many listen.
 * Usage: emitter [absurd]: absurd announces half of the blocks as standing for less than they are.
 */
#include <sys/mman.h>

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

#include "target.h"

#define SEMAPHORE(name) unsigned short name __attribute__((section(".probes"), used))

SEMAPHORE(otel_memory_alloc_semaphore);
SEMAPHORE(otel_memory_free_semaphore);

#define BLOCKS 1000
#define SIZE 512
#define WEIGHTED 8192 /* announced as what one stands for */

static uint64_t weighted = WEIGHTED;

static char *arena, *list[2 * BLOCKS];
static size_t used;

static char *take(void)
{
	char *p = arena + used;

	used += SIZE;
	return p;
}

/* Operands in registers and in memory. */
static NOINLINE void make_session(int i)
{
	volatile uint64_t here = weighted;

	list[i] = take();
	STAP_PROBE3(otel_memory, alloc, list[i], (uint32_t)SIZE, here);
}

/* Another place of the same name, with a constant. */
static NOINLINE void make_cache(int i)
{
	list[i] = take();
	STAP_PROBE3(otel_memory, alloc, list[i], SIZE, WEIGHTED);
}

static NOINLINE void give_back(int i)
{
	STAP_PROBE1(otel_memory, free, list[i]);
	list[i] = NULL;
}

static void tell(size_t sessions, size_t caches)
{
	printf("{\"make_session\": %zu, \"make_cache\": %zu, \"listeners\": %u}\n",
	       sessions * WEIGHTED, caches * WEIGHTED,
	       *(volatile unsigned short *)&otel_memory_alloc_semaphore +
		       *(volatile unsigned short *)&otel_memory_free_semaphore);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "absurd"))
		weighted = SIZE / 2;
	arena = mmap(NULL, 2 * BLOCKS * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	if (arena == MAP_FAILED)
		return 9;
	await_line("ready");
	for (int i = 0; i < BLOCKS; i++) {
		make_session(i);
		make_cache(BLOCKS + i);
	}
	for (int i = 0; i < BLOCKS / 2; i++)
		give_back(BLOCKS + i);
	for (;;) {
		tell(BLOCKS, BLOCKS / 2);
		await_line("told");
	}
}
