/*
 * One accounting rule of memtrace per mode, with exact books of what the rule should come to.
 * Usage: rules MODE [ARGUMENT]
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "rules.h"

#define PAGE 4096

extern char **environ;

/* The compiler must not see that a size is absurd. */
static volatile size_t absurd = SIZE_MAX / 2;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "rules: %s (%s)\n", what, strerror(errno));
	_exit(9);
}

/* --- failed calls -------------------------------------------------------------------- */

MAKER(keep_block, malloc(size))
MAKER(fail_malloc, malloc(size))
MAKER(fail_calloc, calloc(size, 8))
MAKER(fail_aligned_alloc, aligned_alloc(64, size))

static NOINLINE int fail_posix_memalign(size_t align, size_t size)
{
	void *p = NULL;
	int r = posix_memalign(&p, align, size);

	forget(p);
	return r;
}

static NOINLINE DISTINCT void *fail_realloc(void *p, size_t size)
{
	void *q = realloc(p, size);

	forget(q);
	return q;
}

static NOINLINE void *fail_reallocarray(void *p, size_t count, size_t size)
{
	void *q = reallocarray(p, count, size);

	forget(q);
	return q;
}

static void mode_failed(void)
{
	void *kept[10];

	await_line("ready");
	for (int i = 0; i < 10; i++) {
		kept[i] = keep_block(100);
		made("heap", "keep_block", 100);
	}
	for (int i = 0; i < 50; i++) {
		check(!fail_malloc(absurd), "malloc did not fail");
		check(!fail_calloc(absurd), "calloc did not fail");
		check(!fail_aligned_alloc(absurd), "aligned_alloc did not fail");
		check(fail_posix_memalign(64, absurd), "posix_memalign did not fail");
		check(fail_posix_memalign(3, 100), "posix_memalign took a wrong alignment");
		check(!fail_realloc(kept[i % 10], absurd), "realloc did not fail");
		/* the product is 2^64: a tracer that multiplies sees 0 and believes in a free */
		check(!fail_reallocarray(kept[i % 10], 1ull << 33, absurd / (1ull << 32) + 1),
		      "reallocarray did not fail");
	}
	row_of("heap", "fail_malloc");
	row_of("heap", "fail_calloc");
	row_of("heap", "fail_aligned_alloc");
	row_of("heap", "fail_posix_memalign");
	row_of("heap", "fail_realloc");
	row_of("heap", "fail_reallocarray");
	tell(0);
}

/* --- realloc ------------------------------------------------------------------------- */

MAKER(first_block, malloc(size))

static NOINLINE DISTINCT void *resize_block(void *p, size_t size)
{
	void *q = realloc(p, size);

	forget(q);
	return q;
}

/* The block of a maker becomes `to` bytes; returns it with the name of its new owner. */
static void *resize(void *p, const char **owner, size_t from, size_t to, int64_t *moves)
{
	uintptr_t before = (uintptr_t)p;
	void *q = resize_block(p, to);

	if ((uintptr_t)q == before) {
		resized("heap", *owner, (int64_t)to - (int64_t)from);
		return q;
	}
	gone("heap", *owner, from);
	if (!q)
		return NULL;
	*owner = "resize_block";
	made("heap", *owner, to);
	++*moves;
	return q;
}

static void mode_realloc(void)
{
	static const size_t sizes[] = { 24, 5000, 200000, 3000, 40 };
	int64_t moves = 0;

	await_line("ready");
	for (int i = 0; i < 200; i++) {
		const char *owner = "first_block";
		void *p = first_block(20);
		size_t size = 20;

		made("heap", owner, 20);
		forget(malloc(48)); /* keeps the block from growing where it is */
		made("heap", "mode_realloc", 48);
		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			p = resize(p, &owner, size, sizes[k], &moves);
			size = sizes[k];
		}
		if (i % 2) {
			p = resize(p, &owner, size, 0, &moves);
			size = 0;
		}
		if (i % 4 == 3 && p) {
			free(p);
			gone("heap", owner, size);
		}
	}
	tell(moves);
}

/* --- nested entry points ------------------------------------------------------------- */

MAKER(by_calloc, calloc(size / 8, 8))
MAKER(by_posix_memalign, posix_memalign(&p, 64, size) ? NULL : p)
MAKER(by_aligned_alloc, aligned_alloc(64, size))
MAKER(by_memalign, memalign(32, size))
MAKER(by_reallocarray, reallocarray(NULL, size / 8, 8))
MAKER(by_strdup,
      strdup(size == 64 ? "a text that is as long as the books say: sixty-three bytes here" : "?"))

static void mode_nested(void)
{
	static void *(*const make[])(size_t) = { by_calloc,   by_posix_memalign, by_aligned_alloc,
						 by_memalign, by_reallocarray,	 by_strdup };
	static const char *const name[] = { "by_calloc",   "by_posix_memalign", "by_aligned_alloc",
					    "by_memalign", "by_reallocarray",	"by_strdup" };

	await_line("ready");
	for (int i = 0; i < 500; i++)
		for (int k = 0; k < 6; k++) {
			void *p = make[k](64);

			check(p != NULL, "an allocation failed");
			made("heap", name[k], 64);
			if (i % 5 == 0)
				continue;
			free(p);
			gone("heap", name[k], 64);
		}
	tell(0);
}

/* Functions that --alloc names and that ask malloc in their turn: a block inside of another one. */
void *wrap_get(size_t size);
void wrap_put(void *p);

NOINLINE void *wrap_get(size_t size)
{
	char *p = malloc(size + 32);

	forget(p);
	return p + 32;
}

NOINLINE void wrap_put(void *p)
{
	free((char *)p - 32);
	forget(p);
}

MAKER(by_wrapper, wrap_get(size))

static void mode_wrapped(void)
{
	await_line("ready");
	for (int i = 0; i < 500; i++) {
		void *p = by_wrapper(64);

		made("heap", "by_wrapper", 64);
		if (i % 5 == 0)
			continue;
		wrap_put(p);
		gone("heap", "by_wrapper", 64);
	}
	tell(0);
}

/* --- mappings ------------------------------------------------------------------------ */

#define MAPPER(name)                                                                       \
	static NOINLINE DISTINCT char *name(char *at, size_t pages)                        \
	{                                                                                  \
		char *p = mmap(at, pages * PAGE, PROT_READ | PROT_WRITE,                   \
			       MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0); \
                                                                                           \
		forget(p);                                                                 \
		if (p == MAP_FAILED)                                                       \
			return NULL;                                                       \
		memset(p, 1, pages < 64 ? pages * PAGE : 64 * PAGE);                       \
		made("mmap", #name, pages *PAGE);                                          \
		return p;                                                                  \
	}
MAPPER(map_middle)
MAPPER(map_ends)
MAPPER(map_reserve)
MAPPER(map_left)
MAPPER(map_right)
MAPPER(map_under)
MAPPER(map_over)
MAPPER(map_grow)
MAPPER(map_shrink)
MAPPER(map_move)
MAPPER(map_stuck)
MAPPER(map_pieces)
MAPPER(map_huge)
MAPPER(map_emptied)

static void unmap_partly(void)
{
	char *p = map_middle(NULL, 10);

	check(!munmap(p + 4 * PAGE, 2 * PAGE), "munmap");
	resized("mmap", "map_middle", -2 * PAGE);
	p = map_ends(NULL, 10);
	check(!munmap(p, PAGE) && !munmap(p + 9 * PAGE, PAGE), "munmap");
	resized("mmap", "map_ends", -2 * PAGE);
	p = map_pieces(NULL, 4);
	for (int i = 0; i < 4; i++)
		check(!munmap(p + (i ^ 1) * PAGE, PAGE), "munmap");
	gone("mmap", "map_pieces", 4 * PAGE);
	p = map_emptied(NULL, 6);
	check(!madvise(p, 6 * PAGE, MADV_DONTNEED), "madvise"); /* still mapped */
	check(munmap(p + 1, PAGE) && munmap(p, 0) && munmap(p, absurd & -PAGE),
	      "munmap took nonsense"); /* the last is aligned and would end them all */
	check(!map_huge(NULL, 1ull << 36), "mmap of 256 TiB did not fail");
}

static void map_over_others(void)
{
	char *base = map_reserve(NULL, 20), *p;

	map_left(base, 8);
	map_right(base + 8 * PAGE, 8);
	resized("mmap", "map_reserve", -16 * PAGE);
	check(!munmap(base + 6 * PAGE, 4 * PAGE), "munmap");
	resized("mmap", "map_left", -2 * PAGE);
	resized("mmap", "map_right", -2 * PAGE);

	p = map_under(NULL, 16);
	map_over(p + 4 * PAGE, 4);
	resized("mmap", "map_under", -4 * PAGE);
	base = mmap(p + 12 * PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED,
		    open("/proc/self/exe", O_RDONLY), 0);
	check(base == p + 12 * PAGE, "mmap of a file");
	resized("mmap", "map_under", -2 * PAGE);
}

static void remap(void)
{
	char *p = map_grow(NULL, 4), *to;

	check(mremap(p, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE) != MAP_FAILED, "mremap");
	resized("mmap", "map_grow", 60 * PAGE);
	p = map_shrink(NULL, 16);
	check(mremap(p, 16 * PAGE, 5 * PAGE, 0) == p, "mremap");
	resized("mmap", "map_shrink", -11 * PAGE);
	p = map_move(NULL, 8);
	to = map_reserve(NULL, 16);
	check(mremap(p, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to, "mremap");
	resized("mmap", "map_reserve", -8 * PAGE);
	/* no room to grow: the pages behind are taken */
	to = map_reserve(NULL, 12);
	p = map_stuck(to, 4);
	resized("mmap", "map_reserve", -4 * PAGE);
	check(mremap(p, 4 * PAGE, 10 * PAGE, 0) == MAP_FAILED, "mremap grew over others");
	check(mremap(p, 4 * PAGE, 10 * PAGE, 64) == MAP_FAILED, "mremap took wrong flags");
	check(mremap((char *)PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED,
	      "mremap of nothing");
}

static NOINLINE void *move_break(intptr_t by)
{
	void *p = sbrk(by);

	forget(p);
	return p;
}

static void mode_mappings(void)
{
	await_line("ready");
	for (int i = 0; i < 5; i++) {
		unmap_partly();
		map_over_others();
		remap();
	}
	row_of("mmap", "map_huge");
	if (move_break(16 * PAGE) != (void *)-1) { /* musl refuses */
		made("brk", "move_break", 16 * PAGE);
		move_break(-4 * PAGE);
		resized("brk", "move_break", -4 * PAGE);
	}
	tell(0);
}

/* --- threads ------------------------------------------------------------------------- */

#define THREADS 8
#define HANDED 20000

static void *_Atomic handed[HANDED];
static _Atomic bool stop;

MAKER(produce_block, malloc(size))
MAKER(hammer_block, malloc(size))
MAKER(worker_block, malloc(size))

static void *produce(void *arg)
{
	for (long i = (long)arg; i < HANDED; i += THREADS)
		handed[i] = produce_block(32 + i % 7);
	return NULL;
}

/* Frees what another thread made, but for every tenth. */
static void *consume(void *arg)
{
	for (long i = ((long)arg + 1) % THREADS; i < HANDED; i += THREADS) {
		while (!handed[i])
			sched_yield();
		if (i % 10)
			free(handed[i]);
	}
	return NULL;
}

static void mode_crossfree(void)
{
	pthread_t t[2 * THREADS];

	await_line("ready");
	for (long i = 0; i < THREADS; i++) {
		check(!pthread_create(&t[i], NULL, produce, (void *)i), "pthread_create");
		check(!pthread_create(&t[THREADS + i], NULL, consume, (void *)i), "pthread_create");
	}
	for (int i = 0; i < 2 * THREADS; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < HANDED; i++)
		made_many("heap", "produce_block", 1, i % 10 != 0, 32 + i % 7);
	tell(0);
}

struct hammer {
	pthread_t thread;
	int64_t made, freed;
};

/* Blocks of one size through slots that all threads share: an address is often made anew at once.
 */
static void *hammer(void *arg)
{
	struct hammer *h = arg;

	for (unsigned int i = (uintptr_t)h >> 4; !stop; i = i * 1664525 + 1013904223) {
		void *p = __atomic_exchange_n((void **)&handed[(i >> 16) % 64], hammer_block(48),
					      __ATOMIC_ACQ_REL);

		h->made++;
		h->freed += p != NULL;
		free(p);
	}
	return NULL;
}

static void mode_reuse(const char *seconds)
{
	static struct hammer h[THREADS];

	await_line("ready");
	for (int i = 0; i < THREADS; i++)
		check(!pthread_create(&h[i].thread, NULL, hammer, &h[i]), "pthread_create");
	pause_ns(atoi(seconds) * 1000000000l);
	stop = true;
	for (int i = 0; i < THREADS; i++) {
		pthread_join(h[i].thread, NULL);
		made_many("heap", "hammer_block", h[i].made, h[i].freed, 48);
	}
	tell(0);
}

static pthread_mutex_t hold = PTHREAD_MUTEX_INITIALIZER;

static void *worker(void *arg)
{
	free(worker_block(64));
	if (!arg)
		return NULL;
	pthread_mutex_lock(&hold);
	pthread_mutex_unlock(&hold);
	return NULL;
}

static NOINLINE void start_worker(pthread_t *t, void *arg)
{
	int r = pthread_create(t, NULL, worker, arg);

	forget(t);
	check(!r, "pthread_create");
}

static void mode_threads(void)
{
	pthread_t t[5];

	await_line("ready");
	for (int i = 0; i < 205; i++) { /* the last five wait for the lock */
		bool waits = i >= 200;

		if (i == 200)
			pthread_mutex_lock(&hold);
		start_worker(&t[waits ? i - 200 : 0], waits ? &hold : NULL);
		if (!waits)
			pthread_join(t[0], NULL);
	}
	made_many("thread", "start_worker", 205, 200, 0);
	made_many("heap", "worker_block", 205, 205, 64);
	tell(6);
	pthread_mutex_unlock(&hold);
	for (int i = 0; i < 5; i++)
		pthread_join(t[i], NULL);
	row_of("thread", "start_worker")->live = 0;
	tell(1);
}

/* --- processes ----------------------------------------------------------------------- */

MAKER(parent_block, malloc(size))
MAKER(child_block, malloc(size))
MAKER(executed_block, malloc(size))
MAKER(spawner_block, malloc(size))

static void *blocks[5000];

static void child(void)
{
	await_line("child");
	memset(rows, 0, sizeof(rows));
	row_of("heap", "parent_block"); /* the child made none of them */
	for (int i = 0; i < 1000; i++)
		free(blocks[i]);
	for (int i = 0; i < 500; i++) {
		blocks[i] = child_block(70);
		made("heap", "child_block", 70);
	}
	for (int i = 0; i < 100; i++) {
		free(blocks[i]);
		gone("heap", "child_block", 70);
	}
	tell(0);
	_exit(0);
}

static void mode_fork(void)
{
	pid_t pid;

	await_line("ready");
	for (int i = 0; i < 1000; i++) {
		blocks[i] = parent_block(80);
		made("heap", "parent_block", 80);
	}
	pid = fork();
	check(pid >= 0, "fork");
	if (pid == 0)
		child();
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 300; i++) {
		free(blocks[i]);
		gone("heap", "parent_block", 80);
	}
	row_of("heap", "child_block");
	tell(pid);
}

static void mode_exec(char *program)
{
	char *argv[] = { program, "executed", NULL };

	await_line("ready");
	for (int i = 0; i < 1000; i++)
		forget(parent_block(80));
	execv("/proc/self/exe", argv);
	check(false, "execv");
}

static void mode_executed(void)
{
	await_line("executed");
	for (int i = 0; i < 300; i++) {
		forget(executed_block(90));
		made("heap", "executed_block", 90);
	}
	row_of("heap", "parent_block");
	tell(0);
}

static void mode_spawn(void)
{
	char *argv[] = { "true", NULL };
	pid_t pid;

	await_line("ready");
	for (int i = 0; i < 60; i++) {
		forget(spawner_block(100));
		made("heap", "spawner_block", 100);
		if (i % 3 == 0) {
			check(!posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ),
			      "posix_spawn");
		} else {
			pid = vfork();
			if (pid == 0 && i % 3 == 1)
				execv("/bin/true", argv);
			if (pid == 0)
				_exit(0);
		}
		check(pid > 0, "vfork");
		waitpid(pid, NULL, 0);
	}
	tell(0);
}

/* --- before attaching, too much, later ----------------------------------------------- */

MAKER(before_block, malloc(size))
MAKER(many_block, malloc(size))

static void mode_before(void)
{
	static bool moved[5000];

	for (int i = 0; i < 5000; i++)
		blocks[i] = before_block(100 + i % 50);
	await_line("ready");
	row_of("heap", "before_block");
	for (int i = 0; i < 4000; i++)
		free(blocks[i]);
	for (int i = 4000; i < 5000;
	     i++) { /* most are far too large for the place where they are */
		uintptr_t old = (uintptr_t)blocks[i];

		blocks[i] = resize_block(blocks[i], 9000);
		moved[i] = (uintptr_t)blocks[i] != old;
		if (moved[i]) /* the others are what they were: from before */
			made("heap", "resize_block", 9000);
	}
	for (int i = 4000; i < 4500; i++) {
		free(blocks[i]);
		if (moved[i])
			gone("heap", "resize_block", 9000);
	}
	tell(0);
}

static void mode_full(void)
{
	await_line("ready");
	for (int i = 0; i < 5000; i++) {
		blocks[i] = many_block(100);
		made("heap", "many_block", 100);
	}
	tell(0);
	for (int i = 0; i < 5000; i++) {
		free(blocks[i]);
		gone("heap", "many_block", 100);
	}
	tell(0);
}

#ifdef STATIC /* nothing can be loaded */

static void mode_dlopen(const char *library)
{
	check(!library, "dlopen");
}

#else

static void *(*pool_get)(size_t);
static void (*pool_put)(void *);

static NOINLINE DISTINCT void *early_block(void)
{
	void *p = pool_get(200);

	forget(p);
	return p;
}

static NOINLINE DISTINCT void *late_block(void)
{
	void *p = pool_get(200);

	forget(p);
	return p;
}

/* From the moment of loading 100 blocks a second for 3 s, then a thousand that must all be seen. */
static void mode_dlopen(const char *library)
{
	void *lib;

	await_line("ready");
	lib = dlopen(library, RTLD_NOW);
	check(lib != NULL, "dlopen");
	pool_get = (void *(*)(size_t))dlsym(lib, "pool_get");
	pool_put = (void (*)(void *))dlsym(lib, "pool_put");
	check(pool_get && pool_put, "dlsym");
	for (int i = 0; i < 300; i++) {
		forget(early_block());
		made("heap", "early_block", 200);
		pause_ns(10000000);
	}
	for (int i = 0; i < 1000; i++) {
		void *p = late_block();

		made("heap", "late_block", 200);
		if (i % 4)
			continue;
		pool_put(p);
		gone("heap", "late_block", 200);
	}
	tell(0);
}

#endif

int main(int argc, char **argv)
{
	static char out[4096];
	static const struct {
		const char *name;
		void (*run)(void);
	} modes[] = {
		{ "failed", mode_failed },	 { "realloc", mode_realloc },
		{ "nested", mode_nested },	 { "mappings", mode_mappings },
		{ "crossfree", mode_crossfree }, { "threads", mode_threads },
		{ "fork", mode_fork },		 { "executed", mode_executed },
		{ "spawn", mode_spawn },	 { "before", mode_before },
		{ "full", mode_full },		 { "wrapped", mode_wrapped },
	};
	const char *mode = argc > 1 ? argv[1] : "", *argument = argc > 2 ? argv[2] : "";

	/* a buffer of its own: printing must not allocate */
	setvbuf(stdout, out, _IOFBF, sizeof(out));
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(mode, modes[i].name)) {
			modes[i].run();
			return 0;
		}
	if (!strcmp(mode, "reuse"))
		mode_reuse(argument);
	else if (!strcmp(mode, "exec"))
		mode_exec(argv[0]);
	else if (!strcmp(mode, "dlopen"))
		mode_dlopen(argument);
	else
		return 2;
	return 0;
}
