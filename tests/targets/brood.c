/*
 * A parent with WORKERS children that stay, and ROUNDS that allocate and are gone again at once,
 * one after the other; it keeps a block for each of them. Linked statically for what needs an
 * allocator that nobody else maps. Usage: brood WORKERS ROUNDS
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "target.h"

#define CHILD_BLOCKS 100

static void stay(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

NOINLINE void keep_one(void)
{
	forget(malloc(5000));
}

NOINLINE void leave_some(void)
{
	for (int i = 0; i < CHILD_BLOCKS; i++)
		forget(malloc(200));
}

int main(int argc, char **argv)
{
	int workers = argc > 1 ? atoi(argv[1]) : 20, rounds = argc > 2 ? atoi(argv[2]) : 300;

	for (int i = 0; i < workers; i++) {
		pid_t child = fork();

		if (child == 0)
			stay();
		printf("%s%d%s", i ? "," : "{\"workers\": [", child,
		       i + 1 == workers ? "]}\n" : "");
		fflush(stdout);
	}
	await_line("ready");
	for (int i = 0; i < rounds; i++) {
		pid_t child;

		keep_one();
		child = fork();
		if (child == 0) {
			leave_some();
			_exit(0);
		}
		waitpid(child, NULL, 0);
		pause_ns(5000000);
	}
	printf("{\"kept\": %d, \"left\": %d}\n", rounds, rounds * CHILD_BLOCKS);
	await_line("done");
	return 0;
}
