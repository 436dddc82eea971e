/* See inventory.h. */
#include "app/inventory.h"

#include <string.h>

#include "app/holding.h"
#include "app/java.h"
#include "app/memory.h"
#include "app/modules_scan.h"
#include "app/resident.h"
#include "app/tracee.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "collect/fds.h"
#include "sys/fdtable.h"
#include "sys/maps.h"
#include "sys/procfs.h"
#include "sys/threads.h"

#define INVENTORY_SHARE 50	      /* an inventory may take 1/50 of a CPU between two */
#define SCAN_SHARE 20		      /* the same of a scan for new code, ... */
#define SCAN_WAIT_MAX_NS 800000000ull /* ... which new libraries do not wait longer for */
#define LOOKS_MAX 3	   /* at mappings and their pages, until they are of one moment */
#define THREAD_SP_MAX 1024 /* stacks looked up per inventory; each costs a file */

static void read_threads(struct tracee *t, uint64_t now_ns)
{
	struct thread_list list = { 0 };
	auto_free uint32_t *tid = NULL;
	auto_free uint64_t *sp = NULL;

	if (threads_list(t->run->proc, t->pid, THREADS_MAX, &list))
		return;
	tid = calloc(list.count + 1, sizeof(*tid));
	sp = calloc(list.count + 1, sizeof(*sp));
	if (tid && sp) {
		if (list.count <= THREAD_SP_MAX)
			threads_fill_stack_pointers(t->run->proc, t->pid, &list);
		for (size_t i = 0; i < list.count; i++) {
			tid[i] = list.thread[i].tid;
			sp[i] = list.thread[i].sp;
		}
		model_set_threads(t->run->model, t->pid, tid, list.count, now_ns);
		model_set_thread_stacks(t->run->model, t->pid, sp, list.count);
	}
	threads_done(&list);
}

static void read_fds(struct tracee *t)
{
	uint64_t now_ns = clock_monotonic_ns();
	auto_free struct fd_fact *facts = NULL;
	struct fd_table table = { 0 };
	size_t n = 0;
	int r = fds_read(t->run->collector, t->pid, &facts, &n);

	if (r == 0) {
		model_set_fds(t->run->model, t->pid, facts, n, now_ns);
		serving_read(t, facts, n, now_ns);
		return;
	}
	if (fdtable_read(t->run->proc, t->pid, &table) == 0) {
		model_set_fds(t->run->model, t->pid, table.fd, table.count, now_ns);
		serving_read(t, table.fd, table.count, now_ns);
	}
	fdtable_done(&table);
}

/* Before probes go in: a stack that meets a file without its table ends there. */
static void add_unwind_tables(struct tracee *t, const struct vma_table *maps, uint32_t text)
{
	struct unwind_process process = { .root = t->run->proc,
					  .pid = t->pid,
					  .text = text,
					  .vma = maps->vma,
					  .count = maps->count };
	struct unwind *u = collector_unwind(t->run->collector);
	struct unwind_stats before, stats;
	struct unwind_cost cost;
	int r;

	unwind_get_stats(u, &before);
	r = unwind_add_process(u, &process, &cost);
	unwind_get_stats(u, &stats);
	if (r)
		log_warn("process %u: out of memory, stacks will be incomplete", t->pid);
	else if (cost.build_ns)
		log_debug("process %u: unwind tables of %u files, %lu kB, built in %.1f ms; of all "
			  "%lu kB",
			  t->pid, cost.files, (unsigned long)(cost.bytes / 1024),
			  cost.build_ns / 1e6, (unsigned long)(stats.bytes / 1024));
	if (stats.refused > before.refused)
		tracee_unmeasured(t, "stacks",
				  "unwind tables take more than %lu MB: stacks end at some files",
				  (unsigned long)(UNWIND_BYTES_MAX >> 20));
}

/* Once more, ahead: events count as soon as the process is entered. */
void inventory_prepare(struct tracee *t)
{
	struct vma_table maps = { 0 };

	if (maps_read(t->run->proc, t->pid, &maps))
		return; /* the scan will tell */
	add_unwind_tables(t, &maps, UNWIND_NO_TEXT);
	maps_done(&maps);
}

void tracee_tell_code(struct tracee *t)
{
	struct collector_code code = { .plumbing = t->plumbing,
				       .plumbing_count = t->plumbing_count,
				       .bare = t->bare,
				       .probed = { t->probed[0], t->probed[1] } };

	collector_set_code(t->run->collector, t->pid, t->asid, &code);
}

/* Of all that is mapped, or of code alone. */
static uint64_t hash_maps(const struct vma_table *maps, bool code)
{
	uint64_t h = 1;

	for (size_t i = 0; i < maps->count; i++) {
		const struct vma *v = &maps->vma[i];

		if (code && !v->executable)
			continue;
		h = (h ^ v->start) * 0x9e3779b97f4a7c15u;
		h = (h ^ v->end ^ v->inode) * 0x9e3779b97f4a7c15u;
		h = (h ^ v->file_offset ^ h >> 32) * 0x9e3779b97f4a7c15u;
	}
	return h;
}

/*
 * Reads the map, dated by *ret_text. While system calls are not followed nobody notes that code
 * changes: the reading does, and is then made again under the number of that change.
 */
static int read_maps(struct tracee *t, struct vma_table *maps, uint32_t *ret_text)
{
	uint64_t before = t->code_hash;
	int r;

	t->text = collector_text(t->run->collector, t->pid);
	*ret_text = collector_next_text(t->run->collector); /* first: it dates the mappings */
	r = maps_read(t->run->proc, t->pid, maps);
	if (r)
		return r;
	t->code_hash = hash_maps(maps, true);
	if (t->code_hash == before || collector_has_hooks(t->run->collector))
		return 0;
	collector_note_code(t->run->collector, t->pid);
	maps_done(maps);
	t->text = collector_text(t->run->collector, t->pid);
	*ret_text = collector_next_text(t->run->collector);
	return maps_read(t->run->proc, t->pid, maps);
}

/* Leaves the map to the caller, if it could be read. */
static int scan(struct tracee *t, struct vma_table *maps)
{
	uint64_t now_ns = clock_monotonic_ns(), wait_ns;
	uint32_t text;
	int r;

	t->maps_dirty = false;
	r = read_maps(t, maps, &text);
	if (r)
		return r;
	add_unwind_tables(t, maps, text);
	r = model_set_vmas(t->run->model, t->pid, maps->vma, maps->count, now_ns);
	if (!r)
		r = modules_scan(t);
	holding_settle(t);
	java_look(t, maps);
	wait_ns = (clock_monotonic_ns() - now_ns) * SCAN_SHARE;
	t->scan_due_ns = now_ns + (wait_ns < SCAN_WAIT_MAX_NS ? wait_ns : SCAN_WAIT_MAX_NS);
	return r;
}

int tracee_scan(struct tracee *t)
{
	auto_clean(maps_done) struct vma_table maps = { 0 };

	return scan(t, &maps);
}

/*
 * The mappings and their pages. What is mapped after the map was read and before its pages are
 * looked at is in the process's size and in no range: then both are read again, a few times at
 * most.
 */
static int read_pages(struct tracee *t, struct vma_table *maps, struct resident *pages)
{
	uint64_t before, missed;
	int r = scan(t, maps);

	for (int looks = 1;; looks++) {
		if (!r)
			r = memory_look(t, maps, pages, &missed);
		if (r || !missed || looks == LOOKS_MAX)
			return r;
		before = hash_maps(maps, false);
		maps_done(maps);
		r = scan(t, maps);
		if (r || hash_maps(maps, false) == before)
			return r;
		resident_done(pages);
	}
}

/*
 * What is mapped, resident, open and running. Costs milliseconds per resident GB, and what reading
 * heaps and allocators takes. final: whatever it costs.
 */
void inventory_take(struct tracee *t, bool final)
{
	auto_clean(resident_done) struct resident pages = { .count = 0 };
	auto_clean(maps_done) struct vma_table maps = { 0 };
	uint64_t start = clock_monotonic_ns(), cpu = clock_cpu_ns();

	read_threads(t, start);
	if (read_pages(t, &maps, &pages) == 0)
		memory_read(t, &maps, &pages, final);
	read_fds(t);
	cpu = clock_cpu_ns() - cpu;
	/* walks have their own pace */
	cpu -= t->found.walk_cpu_ns < cpu ? t->found.walk_cpu_ns : cpu;
	t->inventory_due_ns = start + cpu * INVENTORY_SHARE;
	log_debug("process %u: inventory in %.1f ms, %.1f ms of CPU", t->pid,
		  (clock_monotonic_ns() - start) / 1e6, cpu / 1e6);
}
