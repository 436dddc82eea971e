/*
 * An allocator of its own, which asks nobody: bump_get() and bump_put(), named with --alloc. It
 * gets its memory through a pointer, so that what it returns is not known before it returns. PAIRS
 * of both after each line; prints how many there were so far. Usage: bump [PAIRS]
 */
#include "target.h"

#define ROOM (1u << 20)
#define SIZE 256

static char room[ROOM];
static size_t at;

static NOINLINE void *next_piece(size_t size)
{
	at = at + size > ROOM ? 0 : at;
	at += size;
	return room + at - size;
}

static void *(*volatile source)(size_t) = next_piece;

NOINLINE void *bump_get(size_t size)
{
	char *p = source(size);

	p[0] = 1;
	return p;
}

NOINLINE void bump_put(void *p)
{
	*(char *)p = 0;
}

int main(int argc, char **argv)
{
	long pairs = argc > 1 ? strtol(argv[1], NULL, 10) : 100000, done = 0;

	for (await_line("ready");; await_line("done")) {
		for (long i = 0; i < pairs; i++)
			bump_put(bump_get(SIZE));
		done += pairs;
		printf("{\"pairs\": %ld}\n", done);
	}
}
