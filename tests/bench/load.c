/*
 * What the micro and the paced benchmarks run: does what a line on standard input says and answers
 * with one line of JSON. Threads are pinned, one to a CPU; sizes and places come from a generator
 * with a fixed seed.
 *   pairs THREADS MS          malloc and free of one block, over and over
 *   live THREADS MS           100,000 blocks in all, one of them replaced at random, over and over
 *   paced RATE MS [LEAK]      RATE allocations a second in slices of a millisecond, eight calls
 * deep from one of 16 places, 10,000 blocks live; of these LEAK bytes a second are never freed An
 * answer: {"ops", "wall_ns", "cpu_ns"}; wall_ns of the slowest thread, ops of all of them.
 */
#include <pthread.h>
#include <sched.h>

#include "../targets/target.h"

#define THREADS_MAX 16
#define LIVE 100000
#define PACED_LIVE 10000
#define LEAKED 100 /* bytes in a block that is lost */
#define BATCH 64   /* operations between looks at the clock */
#define SLICE_NS 1000000

struct work {
	pthread_t thread;
	int cpu;
	uint64_t ms, ops, wall_ns, random;
	void **live;
	size_t live_count;
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static NOINLINE void *one(size_t size)
{
	void *p = malloc(size);

	forget(p);
	return p;
}

static void pin(int cpu)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % (cpus > 0 ? cpus : 1), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *pairs(void *arg)
{
	struct work *w = arg;
	uint64_t begun, end;

	pin(w->cpu);
	begun = now_ns();
	end = begun + w->ms * 1000000;
	do {
		for (int i = 0; i < BATCH; i++)
			free(one(16 + (w->ops + i) % 128));
		w->ops += BATCH;
		w->wall_ns = now_ns();
	} while (w->wall_ns < end);
	w->wall_ns -= begun;
	return NULL;
}

static void *replace(void *arg)
{
	struct work *w = arg;
	uint64_t begun, end;

	pin(w->cpu);
	begun = now_ns();
	end = begun + w->ms * 1000000;
	do {
		for (int i = 0; i < BATCH; i++) {
			uint64_t r = next_random(&w->random);
			void **at = &w->live[(r >> 20) % w->live_count];

			free(*at);
			*at = one(16 + r % 240);
		}
		w->ops += BATCH;
		w->wall_ns = now_ns();
	} while (w->wall_ns < end);
	w->wall_ns -= begun;
	return NULL;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void answer(uint64_t ops, uint64_t wall, uint64_t cpu)
{
	printf("{\"ops\": %llu, \"wall_ns\": %llu, \"cpu_ns\": %llu}\n", (unsigned long long)ops,
	       (unsigned long long)wall, (unsigned long long)cpu);
	fflush(stdout);
}

static void threads(void *(*run)(void *), int count, uint64_t ms, struct work *works)
{
	uint64_t ops = 0, wall = 0, cpu = cpu_ns();

	for (int i = 0; i < count; i++) {
		works[i].cpu = i;
		works[i].ms = ms;
		works[i].ops = works[i].wall_ns = 0;
		if (pthread_create(&works[i].thread, NULL, run, &works[i]))
			exit(9);
	}
	for (int i = 0; i < count; i++) {
		pthread_join(works[i].thread, NULL);
		ops += works[i].ops;
		if (works[i].wall_ns > wall)
			wall = works[i].wall_ns;
	}
	answer(ops, wall, cpu_ns() - cpu);
}

/* Each thread has its part of the blocks; they stay for the next time. */
static void live(int count, uint64_t ms, struct work *works)
{
	static void *blocks[LIVE];
	size_t part = LIVE / count;

	for (int i = 0; i < count; i++) {
		works[i].live = blocks + i * part;
		works[i].live_count = part;
		works[i].random = 88172645463325252ull + i;
	}
	for (size_t i = 0; i < LIVE; i++)
		if (!blocks[i])
			blocks[i] = one(16 + i % 240);
	threads(replace, count, ms, works);
}

/* Eight calls deep, and the way there says from where. */
static NOINLINE void *deep(size_t size, unsigned int way, int left);
static NOINLINE void *deep_other(size_t size, unsigned int way, int left)
{
	void *p = left ? deep(size, way >> 1, left - 1) : one(size);

	forget(p);
	return p;
}
static NOINLINE void *deep(size_t size, unsigned int way, int left)
{
	void *p = !left	    ? one(size)
		  : way & 1 ? deep_other(size, way >> 1, left - 1)
			    : deep(size, way >> 1, left - 1);

	forget(p);
	return p;
}

static NOINLINE void *lose_this(void)
{
	void *p = malloc(LEAKED);

	forget(p);
	return p;
}

static void paced(uint64_t rate, uint64_t ms, uint64_t leak_per_s, uint64_t work)
{
	static void *blocks[PACED_LIVE];
	static uint64_t random = 88172645463325252ull;
	uint64_t ops = 0, lost = 0, cpu = cpu_ns(), begun = now_ns(), end = begun + ms * 1000000, t;

	for (t = begun; t < end; t = now_ns()) {
		uint64_t due = (t - begun) * rate / 1000000000;
		uint64_t due_lost = (t - begun) * leak_per_s / LEAKED / 1000000000;
		uint64_t rest;

		/* what cannot be done in its slice is not made up for: the rate falls */
		for (int i = 0; ops < due && (i % BATCH || now_ns() < t + SLICE_NS); i++, ops++) {
			uint64_t r = next_random(&random);
			void **at = &blocks[(r >> 20) % PACED_LIVE];

			free(*at);
			*at = deep(16 + r % 240, r >> 40, 7);
			for (uint64_t k = 0; k < work; k++)
				next_random(&random);
		}
		for (; lost < due_lost; lost++)
			lose_this();
		rest = now_ns() - begun;
		pause_ns(SLICE_NS - rest % SLICE_NS);
	}
	answer(ops + lost, now_ns() - begun, cpu_ns() - cpu);
}

int main(void)
{
	static struct work works[THREADS_MAX];
	char line[128], what[16];
	unsigned long long a, b, c, d;

	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		c = d = 0;
		if (sscanf(line, "%15s %llu %llu %llu %llu", what, &a, &b, &c, &d) < 3)
			return 2;
		if (strcmp(what, "paced") == 0)
			paced(a, b, c, d);
		else if (a < 1 || a > THREADS_MAX)
			return 2;
		else if (strcmp(what, "pairs") == 0)
			threads(pairs, a, b, works);
		else if (strcmp(what, "live") == 0)
			live(a, b, works);
		else
			return 2;
	}
	return 0;
}
