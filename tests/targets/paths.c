/*
 * One function that keeps what it allocates, called through several others and by recursions of
 * different depth. It keeps frame pointers, so that every way of walking a stack sees all of them.
 * Usage: paths ROUNDS PAUSE_MS [parts]: with parts, what is kept consists of two blocks
 */
#pragma GCC optimize("no-omit-frame-pointer", "no-optimize-sibling-calls")
#include <stdbool.h>

#include "target.h"

#define DEPTHS 6

static uint64_t kept, kept_bytes;
static bool parts;

static void note(size_t bytes)
{
	kept++;
	kept_bytes += bytes;
}

static NOINLINE void keep_part(void)
{
	forget(malloc(400));
	note(400);
}

static NOINLINE void keep(void)
{
	forget(malloc(1000));
	note(1000);
	if (parts)
		keep_part();
}

#define CALLER(name)                    \
	static NOINLINE void name(void) \
	{                               \
		keep();                 \
		forget(&kept);          \
	}
CALLER(first_caller)
CALLER(second_caller)
CALLER(third_caller)

static NOINLINE void descend(int depth)
{
	if (depth > 1)
		descend(depth - 1);
	else
		keep();
	forget(&depth);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1;
	long pause_ms = argc > 2 ? atol(argv[2]) : 0;

	parts = argc > 3;
	await_line("ready");
	for (int i = 0; i < rounds; i++) {
		first_caller();
		second_caller();
		third_caller();
		for (int depth = 1; depth <= DEPTHS; depth++)
			descend(depth);
		pause_ns(pause_ms * 1000000);
	}
	printf("{\"count\": %llu, \"bytes\": %llu}\n", (unsigned long long)kept,
	       (unsigned long long)kept_bytes);
	await_line("done");
	return 0;
}
