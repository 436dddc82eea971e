/*
 * What allocating costs a program, in nanoseconds: a malloc and free of one block, and apart from
 * each other mallocs and frees of many blocks. The medians of several rounds, as one line of JSON.
 * Usage: alloc_cost [BLOCKS [ROUNDS]]
 */
#include "target.h"

#define BLOCKS_MAX 1000000

static void *block[BLOCKS_MAX];

static NOINLINE void *one(size_t size)
{
	void *p = malloc(size);

	forget(p);
	return p;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *list, int count)
{
	qsort(list, count, sizeof(*list), compare);
	return list[count / 2];
}

int main(int argc, char **argv)
{
	long blocks = argc > 1 ? strtol(argv[1], NULL, 10) : 200000;
	int rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 15;
	double pair[64], alloc[64], gone[64];

	if (blocks < 1 || blocks > BLOCKS_MAX || rounds < 1 || rounds > 64)
		return 2;
	for (int r = 0; r < rounds; r++) {
		uint64_t start = now_ns(), mid;

		for (long i = 0; i < blocks; i++)
			free(one(16 + i % 128));
		pair[r] = (double)(now_ns() - start) / blocks;
		start = now_ns();
		for (long i = 0; i < blocks; i++)
			block[i] = one(16 + i % 128);
		mid = now_ns();
		for (long i = 0; i < blocks; i++)
			free(block[i]);
		alloc[r] = (double)(mid - start) / blocks;
		gone[r] = (double)(now_ns() - mid) / blocks;
	}
	printf("{\"pair_ns\": %.2f, \"malloc_ns\": %.2f, \"free_ns\": %.2f}\n",
	       median(pair, rounds), median(alloc, rounds), median(gone, rounds));
	return 0;
}
