/*
 * Probes that go in and out of a running process many times: what collector_arm() and
 * collector_disarm() promise, and what a cycle costs.
 *
 *   windows check          the promises; status 0, 1, or 77 where BPF cannot be had
 *   windows measure [N]    N cycles of one process: milliseconds, hits, CPU time, longest stall
 *   windows many N [own]   N processes that nobody else's file is: attaching and detaching all;
 *                          own: where one more process maps the file, so that each has its own
 *   windows churn FILE     cycles until it is killed; its child goes on and counts its rounds in
 *                          the first eight bytes of the file; prints the child's process id
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "collect/collector.h"
#include "collect/self.h"

#define FUNCTIONS 20
#define FREES 4
#define PATIENCE_NS 10000000000ull
#define MEASURED 64
#define WINDOW_US 30000

/* Twenty functions that begin with an instruction which the kernel emulates. */
#define FUNCTION(n)                                                       \
	__attribute__((noinline, noclone, used)) int probed_##n(int a)    \
	{                                                                 \
		__asm__ volatile("push %%rax\n\tpop %%rax" ::: "memory"); \
		return a + n;                                             \
	}
#define FIVE(F, a, b, c, d, e) F(a) F(b) F(c) F(d) F(e)
#define TEN(F) FIVE(F, 0, 1, 2, 3, 4) FIVE(F, 5, 6, 7, 8, 9)
#define ALL(F) TEN(F) FIVE(F, 10, 11, 12, 13, 14) FIVE(F, 15, 16, 17, 18, 19)
#define DECLARE(n) int probed_##n(int a);
ALL(DECLARE)
ALL(FUNCTION)

static int (*const probed[FUNCTIONS])(int) = {
#define NAME(n) probed_##n,
	ALL(NAME)
};

struct shared {
	volatile uint64_t rounds, worst_ns;
	volatile uint32_t pause_us; /* of a crowd */
};

struct world {
	struct keeper *keeper;
	struct collector *collector;
	struct shared *shared;
	bool survives; /* the child this program's end */
	pid_t child;
	uint32_t asid;
	int file;
};

#define require(x)                                                                   \
	do {                                                                         \
		if (!(x)) {                                                          \
			fprintf(stderr, "windows.c:%d: not so: %s\n", __LINE__, #x); \
			exit(1);                                                     \
		}                                                                    \
	} while (0)

static void child_run(struct shared *shared, bool survives)
{
	uint64_t before = clock_monotonic_ns(), now;

	prctl(PR_SET_PDEATHSIG, survives ? 0 : SIGKILL);
	for (;;) {
		for (int i = 0; i < FUNCTIONS; i++)
			probed[i](i);
		getppid();
		now = clock_monotonic_ns();
		if (now - before > shared->worst_ns)
			shared->worst_ns = now - before;
		before = now;
		shared->rounds++;
	}
}

static int no_record(void *ctx, void *bytes, size_t len)
{
	(void)ctx;
	(void)bytes;
	(void)len;
	return 0;
}

static void world_new_in(struct world *w, int rounds)
{
	struct features features;
	struct err err = { 0 };
	struct collector_cfg cfg = { .boot_ns = clock_monotonic_ns(),
				     .live_max = 65536,
				     .sites_max = 1024,
				     .threads_max = 1024,
				     .ring_bytes = 1 << 20,
				     .max_frames = MT_MAX_FRAMES,
				     .features = &features };

	memset(w, 0, sizeof(*w));
	w->survives = rounds >= 0;
	w->shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_SHARED | (rounds < 0 ? MAP_ANONYMOUS : 0), rounds, 0);
	require(w->shared != MAP_FAILED);
	w->file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	require(w->file >= 0);
	require(keeper_start(&w->keeper, &err) == 0);
	cfg.keeper = w->keeper;
	if (features_probe(w->keeper, &features, &err) ||
	    collector_new(&cfg, no_record, NULL, &w->collector, &err)) {
		fprintf(stderr, "%s\n", err.text);
		exit(77);
	}
	w->child = fork();
	if (w->child == 0)
		child_run(w->shared, w->survives);
	require(w->child > 0);
	require(collector_add_process(w->collector, w->child, &w->asid) == 0);
}

static void world_new(struct world *w)
{
	world_new_in(w, -1);
}

static void world_done(struct world *w)
{
	kill(w->child, SIGKILL);
	waitpid(w->child, NULL, 0);
	collector_free(w->collector);
	keeper_stop(w->keeper);
	munmap(w->shared, 4096);
	close(w->file);
}

static int attach(struct world *w, struct err *err)
{
	struct keeper_point point[FUNCTIONS];
	struct collector_probes probes = { 0 };
	unsigned long offset;

	for (int i = 0; i < FUNCTIONS; i++) {
		require(self_file_offset((const void *)probed[i], &offset) == 0);
		point[i] = (struct keeper_point){
			.file_offset = offset,
			.cookie = i < FREES ? MT_COOKIE(MT_FN_FREE, 0, 0, 1, 0)
					    : MT_COOKIE(MT_FN_ALLOC, 1, 0, 0, 0),
		};
	}
	probes.role[PROBE_FREE].point = point;
	probes.role[PROBE_FREE].count = FREES;
	probes.role[PROBE_RETURN].point = probes.role[PROBE_ENTRY].point = point + FREES;
	probes.role[PROBE_RETURN].count = probes.role[PROBE_ENTRY].count = FUNCTIONS - FREES;
	return collector_attach(w->collector, w->child, w->asid, w->file, &probes, err);
}

static uint64_t hits(const struct world *w)
{
	uint64_t v[MT_CNT_MAX];

	require(collector_counters(w->collector, v) == 0);
	return v[MT_CNT_hits];
}

static bool is_in(const struct world *w)
{
	struct collector_armed a = { 0 };

	return collector_armed(w->collector, w->child, &a) == 0 && a.in;
}

static void await_in(const struct world *w)
{
	uint64_t begun = clock_monotonic_ns();

	while (!is_in(w)) {
		require(clock_monotonic_ns() - begun < PATIENCE_NS);
		usleep(100);
	}
}

static void await_rounds(const struct world *w, uint64_t more)
{
	uint64_t from = w->shared->rounds, begun = clock_monotonic_ns();

	while (w->shared->rounds < from + more) {
		require(clock_monotonic_ns() - begun < PATIENCE_NS);
		usleep(100);
	}
}

/* Whether the child's calls are seen. */
static bool is_seen(const struct world *w)
{
	uint64_t before = hits(w);

	await_rounds(w, 10);
	return hits(w) - before >= 9 * FUNCTIONS;
}

static bool is_unseen(const struct world *w)
{
	uint64_t before;

	collector_sync(w->collector);
	before = hits(w);
	await_rounds(w, 1000);
	return hits(w) == before;
}

static void goes_out_and_in_again(void)
{
	struct collector_armed a = { 0 }, b = { 0 };
	struct err err = { 0 };
	struct world w;

	world_new(&w);
	require(collector_arm(w.collector, w.child, &err) == -ENOENT);
	require(collector_armed(w.collector, w.child, &a) == -ENOENT);
	require(attach(&w, &err) == 0);
	require(is_in(&w) && is_seen(&w));
	for (int i = 0; i < 5; i++) {
		collector_disarm(w.collector, w.child);
		require(!is_in(&w));
		require(is_unseen(&w));
		require(collector_armed(w.collector, w.child, &a) == 0);
		require(collector_arm(w.collector, w.child, &err) == 0);
		await_in(&w);
		require(is_seen(&w));
		require(collector_armed(w.collector, w.child, &b) == 0 && b.in_ns > a.in_ns);
	}
	/* what was asked last counts, also when nothing was heard yet of what was asked before */
	collector_disarm(w.collector, w.child);
	for (int i = 0; i < 20; i++) {
		require(collector_arm(w.collector, w.child, &err) == 0);
		collector_disarm(w.collector, w.child);
	}
	require(is_unseen(&w) && !is_in(&w));
	require(collector_arm(w.collector, w.child, &err) == 0);
	collector_detach(w.collector, w.child);
	require(is_unseen(&w));
	require(collector_arm(w.collector, w.child, &err) == -ENOENT);
	world_done(&w);
	puts("  ok    goes out and in again");
}

/* Another file: of libc, whose addresses in the file are those in memory. */
static void attached_while_out_stays_out(void)
{
	struct err err = { 0 };
	struct keeper_point point = { .cookie = MT_COOKIE(MT_FN_FREE, 0, 0, 1, 0) };
	struct collector_probes probes = { .role[PROBE_FREE] = { &point, 1 } };
	uint64_t before, rounds;
	struct world w;
	Dl_info libc;
	int file;

	require(dladdr(dlsym(RTLD_DEFAULT, "getppid"), &libc) && libc.dli_sname);
	file = open(libc.dli_fname, O_RDONLY | O_CLOEXEC);
	point.file_offset = (char *)libc.dli_saddr - (char *)libc.dli_fbase;
	world_new(&w);
	require(attach(&w, &err) == 0);
	collector_disarm(w.collector, w.child);
	require(collector_attach(w.collector, w.child, w.asid, file, &probes, &err) == 0);
	close(file);
	require(is_unseen(&w) && !is_in(&w));
	require(collector_arm(w.collector, w.child, &err) == 0);
	await_in(&w);
	before = hits(&w);
	rounds = w.shared->rounds;
	await_rounds(&w, 100);
	rounds = w.shared->rounds - rounds - 1; /* whole ones, with the call of libc */
	require(hits(&w) - before >= rounds * (FUNCTIONS + 1));
	collector_disarm(w.collector, w.child);
	require(is_unseen(&w));
	world_done(&w);
	puts("  ok    attached while it is out it stays out");
}

static void a_process_that_is_gone_is_told(void)
{
	struct collector_armed a = { 0 };
	struct err err = { 0 };
	struct world w;
	int r;

	world_new(&w);
	require(attach(&w, &err) == 0);
	collector_disarm(w.collector, w.child);
	kill(w.child, SIGKILL);
	waitpid(w.child, NULL, 0);
	r = collector_arm(w.collector, w.child, &err);
	require(r == 0);
	collector_sync(w.collector);
	require(collector_armed(w.collector, w.child, &a) == 0);
	require(!a.in && a.error == -ESRCH);
	require(collector_arm(w.collector, w.child, &err) == -ESRCH);
	require(collector_arm(w.collector, w.child, &err) == -ENOENT);
	w.child = fork();
	if (w.child == 0)
		child_run(w.shared, false);
	world_done(&w);
	puts("  ok    a process that is gone is told");
}

static void a_keeper_that_is_gone_is_told(void)
{
	struct err err = { 0 };
	struct world w;

	world_new(&w);
	require(attach(&w, &err) == 0);
	collector_disarm(w.collector, w.child);
	kill(keeper_pid(w.keeper), SIGKILL);
	while (keeper_is_alive(w.keeper))
		usleep(1000);
	require(collector_arm(w.collector, w.child, &err) == -EPIPE);
	require(is_unseen(&w));
	world_done(&w);
	puts("  ok    a keeper that is gone is told");
}

/* --- probes that are common to many processes ---------------------------------------------------
 */

#define MANY 40
#define MOST 1000

struct crowd {
	struct keeper *keeper;
	struct collector *collector;
	struct shared *shared; /* of each */
	int memory, file;      /* `file`: a program that nobody else runs */
	size_t count;
	pid_t pid[MOST + 1];
	uint32_t asid[MOST + 1], expected[MOST];
};

/* This program once more, of another file: nobody but the crowd maps it. */
static int copy_of_self(void)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to;
	char name[] = "/tmp/memtrace-windows-XXXXXX";
	struct stat st;

	to = mkstemp(name);
	require(from >= 0 && to >= 0 && fstat(from, &st) == 0);
	require(sendfile(to, from, NULL, st.st_size) == st.st_size && fchmod(to, 0700) == 0);
	close(to); /* a file that is open for writing is not executed */
	to = open(name, O_RDONLY);
	require(to >= 0 && unlink(name) == 0);
	close(from);
	return to;
}

static void crowd_start(struct crowd *w, size_t i)
{
	char memory[16], index[16], program[32];

	snprintf(memory, sizeof(memory), "%d", w->memory);
	snprintf(index, sizeof(index), "%zu", i);
	snprintf(program, sizeof(program), "/proc/self/fd/%d", w->file);
	w->pid[i] = fork();
	if (w->pid[i] == 0) {
		execl(program, "windows", "member", memory, index, NULL);
		_exit(1);
	}
	for (int k = 0; k < 10000 && !w->shared[i].rounds; k++)
		usleep(1000);
	require(w->shared[i].rounds);
}

static void member_run(int memory, size_t i)
{
	struct shared *s =
		mmap(NULL, (MOST + 1) * sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);

	require(s != MAP_FAILED);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		uint64_t begun = clock_monotonic_ns(), took;

		for (int k = 0; k < FUNCTIONS; k++)
			probed[k](k);
		took = clock_monotonic_ns() - begun;
		if (took > s[i].worst_ns)
			s[i].worst_ns = took;
		s[i].rounds++;
		usleep(s[0].pause_us);
	}
}

static void crowd_new(struct crowd *w, size_t count, struct features *features)
{
	struct err err = { 0 };
	struct collector_cfg cfg = { .boot_ns = clock_monotonic_ns(),
				     .live_max = 65536,
				     .sites_max = 1024,
				     .threads_max = 1024,
				     .ring_bytes = 1 << 20,
				     .max_frames = MT_MAX_FRAMES,
				     .features = features };

	memset(w, 0, sizeof(*w));
	w->count = count;
	w->memory = memfd_create("crowd", 0);
	require(w->memory >= 0 && ftruncate(w->memory, (MOST + 1) * sizeof(*w->shared)) == 0);
	w->shared = mmap(NULL, (MOST + 1) * sizeof(*w->shared), PROT_READ | PROT_WRITE, MAP_SHARED,
			 w->memory, 0);
	require(w->shared != MAP_FAILED);
	w->shared[0].pause_us = 5000;
	w->file = copy_of_self();
	require(keeper_start(&w->keeper, &err) == 0);
	cfg.keeper = w->keeper;
	require(features_probe(w->keeper, features, &err) == 0);
	require(collector_new(&cfg, no_record, NULL, &w->collector, &err) == 0);
	for (size_t i = 0; i < w->count; i++) {
		crowd_start(w, i);
		require(collector_add_process(w->collector, w->pid[i], &w->asid[i]) == 0);
	}
}

static void crowd_done(struct crowd *w)
{
	for (size_t i = 0; i <= w->count; i++)
		if (w->pid[i])
			kill(w->pid[i], SIGKILL);
	while (wait(NULL) > 0 && errno != ECHILD)
		if (waitpid(keeper_pid(w->keeper), NULL, WNOHANG) == 0)
			break;
	collector_free(w->collector);
	keeper_stop(w->keeper);
	close(w->file);
	close(w->memory);
}

static void crowd_attach(struct crowd *w, size_t i)
{
	struct world one = {
		.collector = w->collector, .child = w->pid[i], .asid = w->asid[i], .file = w->file
	};
	struct err err = { 0 };

	require(attach(&one, &err) == 0);
}

static uint64_t hits_of(const struct crowd *w, size_t i)
{
	struct collector_counts n = { 0 };

	collector_counts(w->collector, w->asid[i], &n);
	return n.hits;
}

/* Every call of every member is seen, as its own. */
static void check_all_are_seen(const struct crowd *w)
{
	uint64_t rounds[MOST], before[MOST];

	for (size_t i = 0; i < w->count; i++) {
		before[i] = hits_of(w, i);
		rounds[i] = w->shared[i].rounds;
	}
	for (size_t i = 0; i < w->count; i++)
		for (int k = 0; k < 10000 && w->shared[i].rounds < rounds[i] + 20; k++)
			usleep(1000);
	for (size_t i = 0; i < w->count; i++) {
		rounds[i] = w->shared[i].rounds - rounds[i] - 1;
		require(rounds[i] >= 19 && hits_of(w, i) - before[i] >= rounds[i] * FUNCTIONS);
	}
}

static void many_share_probes_until_a_stranger_comes(void)
{
	struct features features;
	static struct crowd w;
	uint64_t seen;

	crowd_new(&w, MANY, &features);
	if (!features.has[FEATURE_uprobe_multi] || !features_probe_seccomp(w.keeper, &features)) {
		crowd_done(&w);
		puts("  skip  many share probes: this kernel has none that harm nobody");
		return;
	}
	for (size_t i = 0; i < w.count; i++) {
		crowd_attach(&w, i);
		require(collector_common_files(w.collector) == (i >= 15));
	}
	collector_sync(w.collector);
	check_all_are_seen(&w);
	collector_remove_process(w.collector, 0); /* nobody goes */
	collector_sync(w.collector);
	check_all_are_seen(&w);
	collector_detach(w.collector, w.pid[0]); /* it is no member any more, but traps */
	seen = hits_of(&w, 0);
	crowd_start(&w, MANY); /* nor is this one */
	for (int i = 0; i < 100 && collector_common_files(w.collector); i++) {
		collector_check_common(w.collector);
		usleep(20000);
	}
	require(!collector_common_files(w.collector));
	collector_sync(w.collector);
	require(hits_of(&w, 0) == seen);
	crowd_attach(&w, 0);
	check_all_are_seen(&w);
	require(!collector_common_files(w.collector));
	collector_detach_all(w.collector);
	collector_sync(w.collector);
	seen = hits_of(&w, 1);
	usleep(50000);
	require(hits_of(&w, 1) == seen);
	crowd_done(&w);
	puts("  ok    many share probes until a stranger comes");
}

/* --- figures ------------------------------------------------------------------------------------
 */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void show(const char *what, double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_size);
	printf("%-34s median %8.2f, of ten the highest %8.2f, highest %8.2f\n", what, v[n / 2],
	       v[n * 9 / 10], v[n - 1]);
}

/* Of all its threads. */
static double cpu_ms(pid_t pid)
{
	char path[64];
	unsigned long long ns, sum = 0;
	struct dirent *d;
	DIR *dir;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", pid, d->d_name);
		f = fopen(path, "re");
		if (f && fscanf(f, "%llu", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return sum / 1e6;
}

/* Milliseconds from the disarm to the last hit, and how many hits there were in them. */
static double last_hit(const struct world *w, uint64_t asked_ns, uint64_t *ret_hits)
{
	uint64_t first = hits(w), seen = first, seen_ns = asked_ns, now, v;

	while ((now = clock_monotonic_ns()) < seen_ns + 30000000) {
		v = hits(w);
		if (v != seen)
			seen_ns = now;
		seen = v;
	}
	*ret_hits = seen - first;
	return (seen_ns - asked_ns) / 1e6;
}

static void measure(size_t n)
{
	double call[MEASURED], in[MEASURED], out[MEASURED], after[MEASURED], gone[MEASURED],
		stall[MEASURED], quiet[MEASURED];
	uint64_t begun, late;
	struct err err = { 0 };
	struct world w;
	double keeper;

	world_new(&w);
	require(attach(&w, &err) == 0);
	collector_disarm(w.collector, w.child);
	collector_sync(w.collector);
	keeper = cpu_ms(keeper_pid(w.keeper));
	for (size_t i = 0; i < n; i++) {
		w.shared->worst_ns = 0;
		usleep(2 * WINDOW_US);
		quiet[i] = w.shared->worst_ns / 1e6;
		w.shared->worst_ns = 0;
		begun = clock_monotonic_ns();
		require(collector_arm(w.collector, w.child, &err) == 0);
		call[i] = (clock_monotonic_ns() - begun) / 1e6;
		await_in(&w);
		in[i] = (clock_monotonic_ns() - begun) / 1e6;
		usleep(WINDOW_US);
		begun = clock_monotonic_ns();
		collector_disarm(w.collector, w.child);
		out[i] = last_hit(&w, begun, &late);
		after[i] = late;
		collector_sync(w.collector);
		gone[i] = (clock_monotonic_ns() - begun) / 1e6;
		stall[i] = w.shared->worst_ns / 1e6;
	}
	printf("%zu cycles of %d functions: %d frees, the others with entry and return; ms\n", n,
	       FUNCTIONS, FREES);
	show("collector_arm() returns", call, n);
	show("all probes are in", in, n);
	show("last hit after collector_disarm()", out, n);
	show("hits after it (a count)", after, n);
	show("the kernel is done with it", gone, n);
	show("longest stall, 60 ms untraced", quiet, n);
	show("longest stall, one cycle", stall, n);
	printf("CPU time of the keeper per cycle: %.3f ms\n",
	       (cpu_ms(keeper_pid(w.keeper)) - keeper) / n);
	world_done(&w);
}

/* The longest round of any, in ms, since the last call. */
static double worst_ms(struct crowd *w)
{
	uint64_t worst = 0;

	for (size_t i = 0; i < w->count; i++) {
		if (w->shared[i].worst_ns > worst)
			worst = w->shared[i].worst_ns;
		w->shared[i].worst_ns = 0;
	}
	return worst / 1e6;
}

static double since_ms(uint64_t begun_ns)
{
	return (clock_monotonic_ns() - begun_ns) / 1e6;
}

static void measure_many(size_t n, bool stranger)
{
	static struct crowd w;
	struct features features;
	uint64_t begun;
	double attached, out;

	crowd_new(&w, n, &features);
	w.shared[0].pause_us = 100000;
	if (stranger)
		crowd_start(&w, n);
	sleep(1);
	worst_ms(&w);
	sleep(1);
	printf("%zu processes, %d functions, 10 rounds/s each: longest round %.2f ms untraced", n,
	       FUNCTIONS, worst_ms(&w));
	begun = clock_monotonic_ns();
	for (size_t i = 0; i < n; i++)
		crowd_attach(&w, i);
	attached = since_ms(begun);
	printf(", %.2f while attached in %.0f ms (%s)", worst_ms(&w), attached,
	       collector_common_files(w.collector) ? "common" : "each its own");
	collector_sync(w.collector);
	sleep(1);
	printf(", %.2f traced", worst_ms(&w));
	begun = clock_monotonic_ns();
	collector_detach_all(w.collector);
	collector_sync(w.collector);
	out = since_ms(begun);
	printf(", %.2f while detached in %.0f ms\n", worst_ms(&w), out);
	crowd_done(&w);
}

static void churn(const char *rounds)
{
	struct err err = { 0 };
	struct world w;

	world_new_in(&w, open(rounds, O_RDWR | O_CLOEXEC));
	require(w.survives);
	printf("%d\n", w.child);
	require(attach(&w, &err) == 0);
	puts("attached");
	for (;;) {
		collector_disarm(w.collector, w.child);
		usleep(WINDOW_US / 2);
		require(collector_arm(w.collector, w.child, &err) == 0);
		usleep(WINDOW_US);
	}
}

int main(int argc, char **argv)
{
	size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 30;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && !strcmp(argv[1], "measure")) {
		measure(n < 1 ? 1 : n > MEASURED ? MEASURED : n);
		return 0;
	}
	if (argc >= 3 && !strcmp(argv[1], "many")) {
		n = strtoul(argv[2], NULL, 10);
		measure_many(n < 1 ? 1 : n > MOST ? MOST : n, argc > 3);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "member"))
		member_run(atoi(argv[2]), strtoul(argv[3], NULL, 10));
	if (argc == 3 && !strcmp(argv[1], "churn"))
		churn(argv[2]);
	goes_out_and_in_again();
	attached_while_out_stays_out();
	a_process_that_is_gone_is_told();
	a_keeper_that_is_gone_is_told();
	many_share_probes_until_a_stranger_comes();
	return 0;
}
