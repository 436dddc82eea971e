/*
 * Call chains that are hard to follow without frame pointers, each with a leaf that allocates and
 * never frees. The names of the functions are the truth: tests/e2e/15-stacks.py knows the chains.
 * With a library as argument it is opened after the first line, as one that nobody knew of.
 */
#include <alloca.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>

#include "target.h"

#define ROUNDS 100
#define THREADS 4
#define DEPTH 60
#define LATE_NS 1000000000ull /* from here on a new library's stacks are whole */

#define LEAF(name)                                                                            \
	static NOINLINE void name(void)                                                       \
	{                                                                                     \
		forget(malloc(__LINE__)); /* each another size: equal functions become one */ \
	}

LEAF(deep_leaf)
LEAF(alloca_leaf)
LEAF(realigned_leaf)
LEAF(data_leaf)
LEAF(large_leaf)
LEAF(sort_leaf)
LEAF(signal_leaf)
LEAF(altstack_leaf)
LEAF(thread_leaf)

static NOINLINE void deep(int n)
{
	if (n == 0)
		deep_leaf();
	else
		deep(n - 1);
	forget(&n);
}

static NOINLINE void with_alloca(int n)
{
	char *p = alloca(n * 16);

	forget(p);
	alloca_leaf();
	forget(p);
}

/* The stack pointer is aligned, and what it was before is in memory only. */
static NOINLINE void realigned(int n)
{
	__attribute__((aligned(64))) char block[64];
	char *p = alloca(n * 16);

	forget(block);
	forget(p);
	realigned_leaf();
	forget(block);
}

/* The register that would be the frame pointer holds what looks like one and is none. */
static NOINLINE void rbp_is_data(void *like_a_frame)
{
	__asm__ volatile("mov %0, %%rbp" : : "r"(like_a_frame) : "rbp", "memory");
	data_leaf();
	forget(like_a_frame);
}

static NOINLINE void large_frame(int n)
{
	char block[1500];

	forget(block);
	if (n == 0)
		large_leaf();
	else
		large_frame(n - 1);
	forget(block);
}

static NOINLINE int compare(const void *a, const void *b)
{
	sort_leaf();
	return *(const int *)a - *(const int *)b;
}

static NOINLINE void sort(void)
{
	int numbers[2] = { 2, 1 };

	qsort(numbers, 2, sizeof(numbers[0]), compare);
	forget(numbers);
}

static void on_signal(int signal)
{
	signal_leaf();
	forget(&signal);
}

static void on_altstack(int signal)
{
	altstack_leaf();
	forget(&signal);
}

static NOINLINE void interrupted(int signal)
{
	raise(signal);
	forget(&signal);
}

static NOINLINE void thread_deep(int n)
{
	if (n == 0)
		thread_leaf();
	else
		thread_deep(n - 1);
	forget(NULL);
}

static void *thread_main(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		thread_deep(i % 30);
	forget(arg);
	return NULL;
}

static NOINLINE void threads(void)
{
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, thread_main, NULL))
			exit(1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

static void catch_signals(void)
{
	stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 };
	struct sigaction here = { .sa_handler = on_signal };
	struct sigaction there = { .sa_handler = on_altstack, .sa_flags = SA_ONSTACK };

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &here, NULL);
	sigaction(SIGUSR2, &there, NULL);
}

/* Allocates while its table is loaded, and by another function when it must be there. */
static NOINLINE void use_library(const char *path)
{
	void *library = dlopen(path, RTLD_NOW);
	void (*early)(int) = library ? dlsym(library, "plugin_early") : NULL;
	void (*late)(int) = library ? dlsym(library, "plugin_late") : NULL;
	uint64_t begun = now_ns();

	if (!early || !late)
		exit(2);
	while (now_ns() - begun < LATE_NS) {
		early(5);
		pause_ns(1000000);
	}
	for (int i = 0; i < ROUNDS; i++)
		late(5);
}

int main(int argc, char **argv)
{
	int frame[64] = { 0 };

	catch_signals();
	await_line("ready");
	for (int i = 0; i < ROUNDS; i++) {
		deep(DEPTH);
		with_alloca(1 + i % 40);
		realigned(1 + i % 40);
		rbp_is_data(i % 2 ? (void *)frame : (void *)&deep);
		large_frame(4);
		sort();
		interrupted(SIGUSR1);
		interrupted(SIGUSR2);
	}
	threads();
	for (int i = 1; i < argc; i++) {
		use_library(argv[i]);
		await_line("used");
	}
	await_line("done");
	forget(frame);
	return 0;
}
