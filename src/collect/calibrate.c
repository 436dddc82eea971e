#include "collect/calibrate.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "collect/collector.h"
#include "collect/self.h"
#include "sys/maps.h"

#define CALLS 250
#define ROUNDS 8
#define BLOCK_BYTES 64
#define ADDRESS 0x10000ull /* nothing lies there: no block has such an address */

/* Functions to be probed: first instructions that the kernel emulates. */
#if defined(__x86_64__)
__asm__(".text\n.p2align 4\n.type calibrate_alloc,@function\n"
	"calibrate_alloc: push %rbp\nmov %rdi,%rax\npop %rbp\nret\n"
	".size calibrate_alloc,.-calibrate_alloc\n"
	".p2align 4\n.type calibrate_free,@function\n"
	"calibrate_free: push %rbp\npop %rbp\nret\n"
	".size calibrate_free,.-calibrate_free\n");
#else
__asm__(".text\n.p2align 4\n.type calibrate_alloc,%function\n"
	"calibrate_alloc: nop\nret\n"
	".size calibrate_alloc,.-calibrate_alloc\n"
	".p2align 4\n.type calibrate_free,%function\n"
	"calibrate_free: nop\nret\n"
	".size calibrate_free,.-calibrate_free\n");
#endif
uint64_t calibrate_alloc(uint64_t address, uint64_t size); /* returns the address */
void calibrate_free(uint64_t address);

/* CPU time: others may be on this processor meanwhile. */
static uint64_t thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static double frees_ns(uint64_t first)
{
	uint64_t begin = thread_cpu_ns();

	for (uint64_t i = 0; i < CALLS; i++)
		calibrate_free(first + i * BLOCK_BYTES);
	return (double)(thread_cpu_ns() - begin) / CALLS;
}

static double allocs_ns(void)
{
	uint64_t begin = thread_cpu_ns();

	for (uint64_t i = 0; i < CALLS; i++)
		calibrate_alloc(ADDRESS + i * BLOCK_BYTES, BLOCK_BYTES);
	return (double)(thread_cpu_ns() - begin) / CALLS;
}

struct times {
	double free_ns, alloc_ns; /* the least of some rounds: the machine is busy now and then */
};

static void time_calls(struct times *ret)
{
	*ret = (struct times){ INFINITY, INFINITY };
	for (int i = 0; i < ROUNDS; i++) {
		ret->alloc_ns = fmin(ret->alloc_ns, allocs_ns());
		frees_ns(ADDRESS); /* what was recorded is gone before it is recorded again */
		ret->free_ns = fmin(ret->free_ns, frees_ns(ADDRESS));
	}
}

static int attach(struct collector *c, uint32_t asid, struct err *err)
{
	auto_close int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct keeper_point frees = { .cookie = MT_COOKIE(MT_FN_FREE, 0, 0, 1, 0) };
	struct keeper_point allocs = { .cookie = MT_COOKIE(MT_FN_ALLOC, 2, 0, 0, 0) };
	struct collector_probes probes = { 0 };
	unsigned long at;
	int r;

	if (file < 0)
		return err_set(err, -errno, "cannot open memtrace's own file");
	r = self_file_offset((const void *)calibrate_free, &at);
	frees.file_offset = at;
	if (!r)
		r = self_file_offset((const void *)calibrate_alloc, &at);
	allocs.file_offset = at;
	if (r)
		return err_set(err, r, "cannot find memtrace's own functions");
	probes.role[PROBE_FREE].point = &frees;
	probes.role[PROBE_ENTRY].point = probes.role[PROBE_RETURN].point = &allocs;
	probes.role[PROBE_FREE].count = probes.role[PROBE_ENTRY].count =
		probes.role[PROBE_RETURN].count = 1;
	return collector_attach(c, getpid(), asid, file, &probes, err);
}

/* As of any traced process: without its tables every stack would be a search. */
static void add_unwind_tables(struct collector *c, uint32_t self)
{
	struct vma_table maps = { 0 };
	struct unwind_process process = { .root = "/proc", .pid = self };
	struct unwind_cost cost;

	process.text = collector_next_text(c);
	if (maps_read("/proc", self, &maps))
		return;
	process.vma = maps.vma;
	process.count = maps.count;
	unwind_add_process(collector_unwind(c), &process, &cost);
	maps_done(&maps);
}

static void measure(struct collector *c, uint32_t asid, const struct times *bare,
		    struct calibration *ret)
{
	struct collector_counts before, after;
	struct times rare, all;
	double hit;

	collector_set_sampling(c, asid, MT_GAP_LOG2_MAX, 0);
	collector_counts(c, asid, &before);
	time_calls(&rare);
	collector_counts(c, asid, &after);
	collector_set_sampling(c, asid, 0, 0);
	time_calls(&all);
	if (after.hits == before.hits)
		return; /* nothing was hit */
	hit = rare.free_ns - bare->free_ns;
	log_debug("calibration: free %.0f to %.0f, alloc %.0f, %.0f, %.0f ns", bare->free_ns,
		  rare.free_ns, bare->alloc_ns, rare.alloc_ns, all.alloc_ns);
	ret->hit_ns = fmax(hit, 1);
	ret->return_ns = fmax(rare.alloc_ns - bare->alloc_ns - hit, 0);
	ret->record_ns = fmax(all.alloc_ns - rare.alloc_ns, 0);
}

int calibrate(struct collector *c, struct calibration *ret, struct err *err)
{
	const uint32_t self = getpid();
	struct times bare;
	uint32_t asid;
	int r;

	*ret = (struct calibration){ NAN, NAN, NAN };
	time_calls(&bare);
	r = collector_add_process(c, self, &asid);
	if (r)
		return err_set(err, r, "cannot trace memtrace itself");
	add_unwind_tables(c, self);
	r = attach(c, asid, err);
	if (!r)
		measure(c, asid, &bare, ret);
	collector_remove_process(c, self);
	collector_purge(c, asid);
	return r;
}
