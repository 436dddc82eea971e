/*
 * A loop of malloc and free: what one pair costs, untraced or traced. Prints nanoseconds per pair
 * after each line that it reads. Usage: pairs [PAIRS [THREADS]]
 */
#include <pthread.h>

#include "target.h"

static long pairs = 300000;

static NOINLINE void *one(size_t size)
{
	void *p = malloc(size);

	forget(p);
	return p;
}

static void *loop(void *arg)
{
	for (long i = 0; i < pairs; i++)
		free(one(16 + i % 128));
	return arg;
}

int main(int argc, char **argv)
{
	int threads = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
	pthread_t t[64];

	if (argc > 1)
		pairs = strtol(argv[1], NULL, 10);
	if (threads < 1 || threads > 64)
		return 2;
	for (;;) {
		uint64_t start;

		await_line("ready");
		start = now_ns();
		for (int i = 0; i < threads; i++)
			pthread_create(&t[i], NULL, loop, NULL);
		for (int i = 0; i < threads; i++)
			pthread_join(t[i], NULL);
		printf("%.1f\n", (double)(now_ns() - start) / pairs);
	}
}
