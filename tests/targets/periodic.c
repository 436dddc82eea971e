/*
 * Allocates in one fixed order again and again: 512 functions, one block each, of one size. A
 * sampler that counts bytes or calls in fixed strides meets the same functions every time.
 *
 * usage: periodic ROUNDS; the blocks stay until the next line
 */
#include "target.h"

#define BYTES 256
#define FUNCTIONS 512

/* Each with a number of its own: equal functions would become one. */
#define ONE(n)                               \
	NOINLINE static void *site_##n(void) \
	{                                    \
		int *p = malloc(BYTES);      \
                                             \
		p[4] = 01##n;                \
		forget(p);                   \
		return p;                    \
	}
#define NAME(n) site_##n,
#define EIGHT(of, n) of(n##0) of(n##1) of(n##2) of(n##3) of(n##4) of(n##5) of(n##6) of(n##7)
/* clang-format off */
#define SIXTY(of, n)                                                                \
	EIGHT(of, n##0) EIGHT(of, n##1) EIGHT(of, n##2) EIGHT(of, n##3)             \
	EIGHT(of, n##4) EIGHT(of, n##5) EIGHT(of, n##6) EIGHT(of, n##7)
#define ALL(of)                                                                     \
	SIXTY(of, 0) SIXTY(of, 1) SIXTY(of, 2) SIXTY(of, 3)                         \
	SIXTY(of, 4) SIXTY(of, 5) SIXTY(of, 6) SIXTY(of, 7)
/* clang-format on */

ALL(ONE)

static void *(*const site[FUNCTIONS])(void) = { ALL(NAME) };
/* A block, as the list of all sees it; the functions write behind that. */
struct block {
	struct block *next;
};

static struct block *all;

static void release(void)
{
	while (all) {
		struct block *b = all;

		all = b->next;
		free(b);
	}
}

static void tell(long rounds)
{
	printf("{\"functions\": %d, \"bytes\": %ld}\n", FUNCTIONS, rounds * BYTES);
	await_line("done");
}

int main(int argc, char **argv)
{
	const long rounds = argc > 1 ? atol(argv[1]) : 1000;

	await_line("ready");
	for (long r = 0; r < rounds; r++) {
		for (int i = 0; i < FUNCTIONS; i++) {
			struct block *b = site[i]();

			b->next = all;
			all = b;
		}
	}
	tell(rounds);
	release();
	tell(0);
	return 0;
}
