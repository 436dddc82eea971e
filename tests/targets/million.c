/*
 * A hard allocator with a small leak in it: RATE pairs of malloc and free a second, paced by the
 * clock, live blocks of some tens of milliseconds and of some seconds, about LIVE at a time; and
 * leak_a_little(), which loses LEAK bytes a second in blocks of 100. Each pair has some work of its
 * own: how many it does in a second of CPU time tells how much it is slowed down. A line on
 * standard input changes the pace: to QUIET pairs a second, and back. It reports once a second to
 * standard error with "-v": pairs, CPU seconds, pairs per CPU second. Usage: million [RATE [LEAK
 * [LIVE [QUIET]]]] [-v]
 */
#include <poll.h>

#include "target.h"

#define BATCH_NS 1000000
#define LEAK_BLOCK 100
#define LONG_ONE_IN 5000 /* this share of blocks lives for seconds */
#define LONG_SLOTS 1024
#define WORK 350 /* steps of something else beside each pair: more than half a microsecond */

static uint64_t seed = 88172645463325252ull;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static uint32_t some_size(void)
{
	uint64_t r = next_random();

	return 16 + r % (r >> 32 & 7 ? 240 : 1985); /* 16 to 2000, most of them small */
}

static NOINLINE void *make_message(void)
{
	uint32_t size = some_size();
	char *p = malloc(size);

	p[0] = (char)size;
	return p;
}

static NOINLINE void *make_session(void)
{
	uint32_t size = some_size();
	char *p = malloc(size);

	p[size - 1] = 1;
	return p;
}

static NOINLINE void leak_a_little(void)
{
	char *p = malloc(LEAK_BLOCK);

	memset(p, 1, LEAK_BLOCK);
	forget(p);
}

struct world {
	uint64_t slots, pairs, leaked;
	void **slot;
	void *session[LONG_SLOTS];
};

static NOINLINE void do_pair(struct world *w)
{
	uint64_t r = next_random(), at;

	for (int i = 0; i < WORK; i++)
		next_random();
	if (r % LONG_ONE_IN == 0) {
		at = r >> 32 & (LONG_SLOTS - 1);
		free(w->session[at]);
		w->session[at] = make_session();
	} else {
		at = (r >> 20) % w->slots;
		free(w->slot[at]);
		w->slot[at] = make_message();
	}
	w->pairs++;
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void tell(const struct world *w, const char *end)
{
	static uint64_t pairs;
	static double cpu;
	double now = cpu_s();

	fprintf(stderr,
		"{\"pairs\": %llu, \"cpu_s\": %.3f, \"pairs_per_cpu_s\": %.0f, \"leaked\": %llu}%s",
		(unsigned long long)(w->pairs - pairs), now - cpu, (w->pairs - pairs) / (now - cpu),
		(unsigned long long)w->leaked, end);
	pairs = w->pairs;
	cpu = now;
}

/* 1: a line came; -1: the end. */
static int heard(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char line[64];

	if (poll(&p, 1, 0) <= 0)
		return 0;
	return read(STDIN_FILENO, line, sizeof(line)) > 0 ? 1 : -1;
}

/* Of so many pairs one leaks; what is missed for long is not caught up. */
static void run(struct world *w, const uint64_t rates[2], uint64_t leak_per_s, int verbose)
{
	uint64_t last = now_ns(), told = last, t, rate = rates[0];
	double due = 0, leak_due = 0;
	int quiet = 0, line;

	while ((line = heard()) >= 0) {
		if (line) {
			quiet = !quiet;
			rate = rates[quiet];
			printf("%s\n", quiet ? "quiet" : "busy");
			fflush(stdout);
		}
		t = now_ns();
		due += (t - last) / 1e9 * rate;
		last = t;
		if (due > rate / 10.0)
			due = rate / 10.0;
		for (; due >= 1; due--) {
			do_pair(w);
			leak_due += (double)leak_per_s / rates[0];
			if (leak_due < LEAK_BLOCK)
				continue;
			leak_a_little();
			w->leaked += LEAK_BLOCK;
			leak_due -= LEAK_BLOCK;
		}
		if (verbose && t - told >= 1000000000ull) {
			tell(w, "\n");
			told = t;
		}
		pause_ns(BATCH_NS);
	}
}

int main(int argc, char **argv)
{
	int verbose = argc > 1 && !strcmp(argv[argc - 1], "-v");
	int n = argc - verbose;
	uint64_t rates[2] = { n > 1 ? strtoull(argv[1], NULL, 10) : 1000000,
			      n > 4 ? strtoull(argv[4], NULL, 10) : 500 };
	uint64_t leak = n > 2 ? strtoull(argv[2], NULL, 10) : 20000;
	static struct world w;

	w.slots = n > 3 ? strtoull(argv[3], NULL, 10) : 10000;
	w.slot = calloc(w.slots, sizeof(*w.slot));
	await_line("ready");
	run(&w, rates, leak, verbose);
	return 0;
}
