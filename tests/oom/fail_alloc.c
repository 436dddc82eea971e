/*
 * The functions of redefine.txt, and the walk: cmocka's runner is replaced by one that runs each
 * test of a unit test program once as it is, then once for each chosen n with the n-th allocation
 * failing. Each run is a forked child, which reports through shared memory.
 *
 * An assertion that fails because memory was refused is expected. A signal, a sanitizer's report
 * and a run that does not end are what this looks for.
 */
#include "oom.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define SANITIZER_EXIT 99 /* as run.sh sets it in ASAN_OPTIONS and UBSAN_OPTIONS */
#define BUDGET_MS 200	  /* of CPU time for one test; OOM_BUDGET_MS is another figure */
#define RUN_MS_MIN 3
#define RUNS_MIN 6
#define SHOWN_MAX 5
#define HANG_S 10
#define HANG_AGAIN_S 60 /* the machine may have been busy */

/* Not a block of anybody: glibc leaves the pointer undefined when vasprintf() fails. */
#define POISON ((char *)(uintptr_t)0x5a5a5a5a5a5a5a5aull)

struct report {
	atomic_ulong calls;
	atomic_bool failed;
	void *pc; /* of the call that failed first */
};

static struct report own, *report = &own;
static atomic_ulong fail_at; /* 0: never */
static atomic_bool fail_on;
static atomic_long live;

/* The tests of one program, and what the walk through them found. */
struct suite {
	const char *name;
	const struct CMUnitTest *tests;
	CMFixtureFunction setup, teardown;
	FILE *out;		     /* owned: what the last child said */
	FILE *places;		     /* owned */
	unsigned long total, cpu_ms; /* allocations; of the last run */
	unsigned long runs, own, bad;
};

int __real__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
				   CMFixtureFunction setup, CMFixtureFunction teardown);
int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
				   CMFixtureFunction setup, CMFixtureFunction teardown);
extern void __sanitizer_symbolize_pc(void *pc, const char *format, char *out, size_t size);

extern void __sanitizer_print_stack_trace(void);

/* The first call that fails. With OOM_TRACE its stack is printed, to find who made it. */
static void note(void *pc)
{
	report->pc = pc;
	if (getenv("OOM_TRACE"))
		__sanitizer_print_stack_trace();
}

/* Whether this call is to fail; pc: in memtrace. */
static bool refuse(void *pc)
{
	unsigned long n = atomic_fetch_add(&report->calls, 1) + 1, at = atomic_load(&fail_at);

	if (at == 0 || (n != at && !(n > at && atomic_load(&fail_on))))
		return false;
	if (!atomic_exchange(&report->failed, true))
		note((char *)pc - 1);
	errno = ENOMEM;
	return true;
}

static void *count(void *p)
{
	if (p)
		atomic_fetch_add(&live, 1);
	return p;
}

void *oom_calloc(size_t n, size_t size);
void *oom_realloc(void *p, size_t size);
void *oom_reallocarray(void *p, size_t n, size_t size);
char *oom_strdup(const char *s);
char *oom_strndup(const char *s, size_t n);
int oom_vasprintf(char **ret, const char *format, va_list ap);
DIR *oom_fdopendir(int fd);

void *oom_malloc(size_t size)
{
	return refuse(__builtin_return_address(0)) ? NULL : count(malloc(size));
}

void *oom_calloc(size_t n, size_t size)
{
	return refuse(__builtin_return_address(0)) ? NULL : count(calloc(n, size));
}

static void *resize(void *p, void *grown)
{
	return p ? grown : count(grown);
}

void *oom_realloc(void *p, size_t size)
{
	return refuse(__builtin_return_address(0)) ? NULL : resize(p, realloc(p, size));
}

void *oom_reallocarray(void *p, size_t n, size_t size)
{
	return refuse(__builtin_return_address(0)) ? NULL : resize(p, reallocarray(p, n, size));
}

char *oom_strdup(const char *s)
{
	return refuse(__builtin_return_address(0)) ? NULL : count(strdup(s));
}

char *oom_strndup(const char *s, size_t n)
{
	return refuse(__builtin_return_address(0)) ? NULL : count(strndup(s, n));
}

int oom_vasprintf(char **ret, const char *format, va_list ap)
{
	int n;

	if (refuse(__builtin_return_address(0))) {
		*ret = POISON;
		return -1;
	}
	n = vasprintf(ret, format, ap);
	if (n >= 0)
		count(*ret);
	return n;
}

DIR *oom_fdopendir(int fd)
{
	return refuse(__builtin_return_address(0)) ? NULL : fdopendir(fd);
}

void oom_free(void *p)
{
	if (p)
		atomic_fetch_sub(&live, 1);
	free(p);
}

void oom_arm(unsigned long n, bool on)
{
	atomic_store(&report->calls, 0);
	atomic_store(&report->failed, false);
	atomic_store(&fail_on, on);
	atomic_store(&fail_at, n);
}

bool oom_failed(void)
{
	return atomic_load(&report->failed);
}

bool oom_disarm(void)
{
	atomic_store(&fail_at, 0);
	return atomic_load(&report->failed);
}

unsigned long oom_calls(void)
{
	return atomic_load(&report->calls);
}

long oom_live(void)
{
	return atomic_load(&live);
}

/* Not in the child: reading the debug information takes longer than the whole test. */
const char *oom_where(void)
{
	static char where[256];

	where[0] = '\0';
	if (report->pc)
		__sanitizer_symbolize_pc(report->pc, "%f %s:%l", where, sizeof(where));
	return where;
}

/* --- the walk --- */

/* How many runs of a test with `total` allocations are worth their time. */
static unsigned long affordable_runs(unsigned long total, unsigned long cpu_ms)
{
	const char *text = getenv("OOM_BUDGET_MS");
	unsigned long budget = text ? strtoul(text, NULL, 10) : BUDGET_MS;
	unsigned long runs = budget / (cpu_ms < RUN_MS_MIN ? RUN_MS_MIN : cpu_ms);

	runs = runs < RUNS_MIN ? RUNS_MIN : runs;
	return runs < total ? runs : total;
}

/* The call to fail in run i of so many: first one after the other, then in equal steps. */
static unsigned long number_of(unsigned long i, unsigned long runs, unsigned long total)
{
	unsigned long dense = runs - runs / 3;

	if (i < dense || runs == total)
		return i + 1;
	return dense + (i - dense + 1) * (total - dense) / (runs - dense);
}

/* Runs one test in a child, output to `out`. Returns the child's status, -1 without one. */
static int run(struct suite *s, size_t test, unsigned long n, unsigned int seconds)
{
	struct rusage use;
	pid_t child;
	int status;

	report->pc = NULL;
	rewind(s->out);
	if (ftruncate(fileno(s->out), 0) < 0)
		return -1;
	fflush(NULL);
	child = fork();
	if (child < 0)
		return -1;
	if (child > 0) {
		if (wait4(child, &status, 0, &use) != child)
			return -1;
		s->cpu_ms = (unsigned long)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000 +
			    (unsigned long)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000;
		return status;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(fileno(s->out), STDOUT_FILENO);
	dup2(fileno(s->out), STDERR_FILENO);
	alarm(seconds);
	oom_arm(n, false);
	exit(__real__cmocka_run_group_tests(s->name, &s->tests[test], 1, s->setup, s->teardown));
}

static bool is_hang(int status)
{
	return status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
}

static bool is_bad(int status)
{
	return status < 0 || WIFSIGNALED(status) || WEXITSTATUS(status) == SANITIZER_EXIT;
}

/*
 * Whether it is the test that follows a pointer which it did not get, and did not look at: a
 * wild access (not one to freed or foreign memory) with no function of memtrace under the test's.
 */
static bool is_own_fault(FILE *out)
{
	char line[1024];
	bool wild = false;

	rewind(out);
	while (fgets(line, sizeof(line), out)) {
		wild = wild || strstr(line, "ERROR: AddressSanitizer: SEGV");
		if (wild && strstr(line, " src/"))
			return false;
		if (wild && strstr(line, " tests/unit/"))
			return true;
	}
	return false;
}

static void complain(struct suite *s, size_t test, unsigned long n, int status)
{
	char buf[4096];
	size_t got;

	if (s->bad++ >= SHOWN_MAX)
		return;
	printf("%s, allocation %lu (%s): ", s->tests[test].name, n, oom_where());
	if (is_hang(status))
		printf("it does not end\n");
	else if (status >= 0 && WIFSIGNALED(status))
		printf("signal %d\n", WTERMSIG(status));
	else
		printf("status %x\n", (unsigned int)status);
	rewind(s->out);
	while ((got = fread(buf, 1, sizeof(buf), s->out)) > 0)
		fwrite(buf, 1, got, stdout);
}

static void walk_test(struct suite *s, size_t test)
{
	unsigned long total, runs, n;
	int status;

	status = run(s, test, 0, HANG_AGAIN_S);
	if (status != 0) {
		complain(s, test, 0, status);
		return;
	}
	total = atomic_load(&report->calls);
	runs = affordable_runs(total, s->cpu_ms);
	s->total += total;
	for (unsigned long i = 0; i < runs; i++) {
		n = number_of(i, runs, total);
		status = run(s, test, n, HANG_S);
		if (is_hang(status))
			status = run(s, test, n, HANG_AGAIN_S);
		s->runs += atomic_load(&report->failed);
		if (s->places)
			fprintf(s->places, "%s\n", oom_where());
		if (is_bad(status) && is_own_fault(s->out))
			s->own++;
		else if (is_bad(status))
			complain(s, test, n, status);
	}
}

/* In place of cmocka's function when OOM_WALK is set. OOM_PLACES: a file for what failed. */
int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
				   CMFixtureFunction setup, CMFixtureFunction teardown)
{
	const char *path = getenv("OOM_PLACES");
	struct suite s = { name, tests, setup, teardown };

	if (!getenv("OOM_WALK"))
		return __real__cmocka_run_group_tests(name, tests, count, setup, teardown);
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	s.out = tmpfile();
	s.places = path ? fopen(path, "ae") : NULL;
	if (report == MAP_FAILED || !s.out || (path && !s.places)) {
		perror("walk");
		return 1;
	}
	for (size_t i = 0; i < count; i++)
		walk_test(&s, i);
	printf("%zu tests, %lu allocations, %lu runs, %lu stopped in the test itself, %lu bad\n",
	       count, s.total, s.runs, s.own, s.bad);
	fclose(s.out);
	if (s.places && fclose(s.places))
		return 1;
	return s.bad > 0;
}
